"""The rehearsal cloud's AWS side: moto behind a WSGI application that adds what AWS has and moto has not.

A request is read (``requests.call``), tied to its caller (``iam.principals``) by its signature
(``requests.signatures``), throttled when so set (``base.faults``) and authorised (``iam.permissions``); a repeated
client token gets its first answer (``requests.client_tokens``); then moto answers (``moto_routes``), corrected in
places (``moto_fixes``, ``ec2.actions``). Of one process's moto there is one, so one cloud at a time.
"""

from __future__ import annotations

import base64
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

from toilctl.local.aws import moto_fixes, moto_routes, price_list, s3_public_objects, service_quotas
from toilctl.local.aws.base import account
from toilctl.local.aws.base.clock import Clock
from toilctl.local.aws.base.faults import Faults
from toilctl.local.aws.base.patches import Patches
from toilctl.local.aws.base.rates import Rates
from toilctl.local.aws.ec2 import actions, default_vpc, launch_templates, spot_requests
from toilctl.local.aws.ec2.existing import Existing
from toilctl.local.aws.ec2.instance_states import Life, Lifetimes
from toilctl.local.aws.ec2.interruptions import Interruptions
from toilctl.local.aws.ec2.offerings import Stock
from toilctl.local.aws.iam import document_sizes
from toilctl.local.aws.iam import limits as iam_limits
from toilctl.local.aws.iam.lag import Lag
from toilctl.local.aws.iam.permissions import Permission, needed
from toilctl.local.aws.iam.policies import Decision, judge
from toilctl.local.aws.iam.principals import AccessKey, Principal, identify
from toilctl.local.aws.requests import client_tokens, limits, signatures
from toilctl.local.aws.requests import tags as request_tags
from toilctl.local.aws.requests.call import Call, Environ, parse
from toilctl.local.aws.requests.client_tokens import Tokens
from toilctl.local.aws.requests.refusals import Protocol, Refusal, denied, render, throttled, unknown_key
from toilctl.local.host_spec import HostSpec

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend
    from moto.iam.models import IAMBackend
    from moto.sts.models import STSBackend

StartResponse = Callable[[str, list[tuple[str, str]]], object]

ACCOUNT_ID: Final = "123456789012"
"""moto's account."""

ADMITTED: Final = "toilctl.admitted"
"""Where a request's environment may have a function, to be called once it is known whose request it is."""

_PARALLEL: Final = frozenset({"s3", "sqs", "sdb"})
"""Services whose requests need not wait for each other: jobs use them, and they touch no instance."""

_running = threading.Lock()


class Cloud:
    """An AWS account of one's own, from its first request until ``close``."""

    def __init__(
        self,
        *,
        cidr: str = "172.31.0.0/16",
        public_cidr: str = "172.28.0.0/16",
        image: str = "prepared",
        hosts: bool = False,
        default_vpc: bool = True,
    ) -> None:
        """Make an empty account; each region has one VPC, which need not be the default one.

        :raises RuntimeError: when this process has a cloud already.
        """
        if not _running.acquire(blocking=False):
            raise RuntimeError("a process can have one rehearsal cloud at a time, for moto keeps its state in modules")
        self.account_id, self.root_key = ACCOUNT_ID, AccessKey.make()
        self.cidr, self.public_cidr, self.image, self.default_vpc = cidr, public_cidr, image, default_vpc
        self.clock, self.faults, self.lock = Clock(), Faults(), threading.RLock()
        self.lifetimes = Lifetimes(self.clock, self.faults, hosts=hosts)
        self.interruptions = Interruptions(self.clock, self.faults, self.lifetimes)
        self.stock = Stock(self.faults, self.lifetimes)
        self.tokens = Tokens(self.clock.now, lambda _, instance_id: self.lifetimes.is_alive(instance_id))
        self.rates, self.iam_lag = Rates(self.clock.now), Lag(self.clock, self.faults)
        self.calls: Counter[str] = Counter()
        """How often each action was called."""
        self.allowed: Counter[tuple[str, str, str]] = Counter()
        """How often which user's or role's statement, by its Sid, allowed which action."""
        self.console: Callable[[str], str] = lambda _: ""
        """Returns what an instance's host wrote to its console."""
        self._patches = Patches()
        self._start()

    @property
    def iam(self) -> IAMBackend:
        """The account's IAM."""
        from moto.iam.models import iam_backends

        return iam_backends[self.account_id]["aws"]

    @property
    def sts(self) -> STSBackend:
        """The account's sessions."""
        from moto.sts.models import sts_backends

        return sts_backends[self.account_id]["aws"]

    def ec2(self, region: str) -> EC2Backend:
        """Return a region's EC2."""
        from moto.ec2.models import ec2_backends

        return ec2_backends[self.account_id][region]

    def resources(self, region: str) -> Existing:
        """Return what exists in a region, for authorisation."""
        return Existing(self.ec2(region))

    def close(self) -> None:
        """Forget everything, and leave moto as it was; a second call does nothing."""
        if self._patches.undo():
            moto_routes.reset()
            _running.release()

    def refresh(self) -> None:
        """Let time pass, and let set faults show in what moto keeps; only with ``lock``."""
        self._pass_time()
        for fault in self.faults.active():
            if fault["name"] == "service-linked-role-missing":
                # Creating the role afterwards mends it, as in an account.
                account.remove_service_linked_role(self.iam, fault["service"])
                self.faults.clear(fault["name"], service=fault["service"])

    def host_specs(self) -> list[HostSpec]:
        """Return what hosts there should be now."""
        with self.lock:
            self.refresh()
            return [self._host_spec(life) for life in self.lifetimes.lives() if life.ended_at is None]

    def powered_off(self, instance_ids: Iterable[str]) -> None:
        """Note that hosts switched themselves off."""
        with self.lock:
            for instance_id in instance_ids:
                self.lifetimes.powered_off(instance_id)

    def settle(self, instance_ids: Iterable[str]) -> None:
        """Note that the hosts of stopping or ending instances have come to rest."""
        with self.lock:
            self.lifetimes.settle(instance_ids)
            self.tokens.touch()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, as WSGI asks."""
        protocol = Protocol.S3
        try:
            moto_routes.refuse_own_paths(environ)
            call = parse(environ)
            protocol = call.protocol
            return self._dawdle(call, self._admit(call, environ, start_response))
        except Refusal as refusal:
            status, headers, body = render(refusal, protocol)
            headers["Content-Length"] = str(len(body))
            start_response(f"{status} {refusal.code}", list(headers.items()))
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def set_fault(self, name: str, **params: Any) -> dict[str, Any]:
        """Set a fault and let it show at once; return it as ``Faults.set`` does, and raise what that raises."""
        with self.lock:
            fault = self.faults.set(name, **params)
            self._pass_time()
            return fault

    def authorise(self, call: Call, permissions: Iterable[Permission]) -> None:
        """Check that a call's signer has permissions.

        :raises Refusal: for the first that it has not.
        """
        principal = self._identify(call)
        if principal.root:
            return
        for permission in permissions:
            context = {**permission.context, "aws:principalarn": principal.arn}
            judged = judge(principal.documents, permission.action, permission.resource, context)
            if judged.decision is not Decision.ALLOWED:
                why = judged.decision.value.format(action=permission.action)
                raise denied(call.protocol, principal.arn, permission.action, permission.resource, why)
            self.allowed.update((principal.name, sid, permission.action) for sid in judged.allowing)

    def _identify(self, call: Call) -> Principal:
        return identify(call, self.root_key, self.iam, self.sts, self.clock.utcnow())

    def _start(self) -> None:
        moto_routes.reset()
        account.install(self._patches, self.image)
        moto_routes.install(self._patches)
        moto_fixes.install(self._patches, self)
        actions.install(self._patches, self)
        spot_requests.install(self._patches, self)
        launch_templates.install(self._patches, self)
        iam_limits.install(self._patches)
        service_quotas.install(self._patches, self.faults)
        account.make_service_linked_roles(self.iam)
        self._moto = moto_routes.Moto()

    def _admit(self, call: Call, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not call.access_key_id:
            if not s3_public_objects.is_public(call, self.account_id):
                raise unknown_key(call.protocol)
            return self._moto.answer(call, environ, start_response)
        signatures.check(environ, call, self._identify(call).secret)
        environ.get(ADMITTED, bool)()
        signatures.check_content(environ, call)
        self.calls[call.name] += 1
        if any(self.faults.take("throttle", action=name) for name in (call.name, call.action)):
            raise throttled(call.protocol)
        with nullcontext() if call.service in _PARALLEL else self.lock:
            self.refresh()
            existing = self.resources(call.region if call.service == "ec2" else "us-east-1")
            self._check(call)
            self.authorise(call, needed(call, self.account_id, existing))
            request_tags.check(call)
            if call.dry_run and call.action != "RunInstances":
                raise Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
            document_sizes.check(call, self.iam)
            self.iam_lag.check(call, self.iam)
            environ[moto_routes.CALL_KEY] = call
            if call.service == "ec2":
                return self._answer_ec2(call, environ, start_response)
            if call.service == price_list.SERVICE:
                return price_list.serve(call, self.faults, self.clock.utcnow(), start_response)
            return self._moto.answer(call, environ, start_response)

    def _check(self, call: Call) -> None:
        """Refuse what AWS would not even look at: too much at once, or too often."""
        limits.check(call)
        if call.service == "ec2":
            if self.faults.find("rate-limits") and not self.rates.allow(call):
                raise throttled(call.protocol)
            default_vpc.check(call, self.ec2(call.region))

    def _dawdle(self, call: Call, answer: Iterable[bytes]) -> Iterable[bytes]:
        """Let a caller wait for the answer, if so set; what it asked for is done."""
        slow = self.faults.use("slow-answer", action=call.name) or self.faults.use("slow-answer", action=call.action)
        if slow:
            time.sleep(slow.how["seconds"])
        return answer

    def _answer_ec2(self, call: Call, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        counts = client_tokens.applies(call)
        answer = self.tokens.recall(call) if counts else None
        if answer is None:
            answer = self._moto.collect(call, environ)
            if counts and answer.status.startswith("200"):
                self.tokens.remember(call, answer)
        if call.action == "TerminateInstances":
            self.tokens.touch()
        start_response(answer.status, answer.headers)
        return [answer.body]

    def _pass_time(self) -> None:
        self.lifetimes.advance()
        if self.interruptions.advance():
            self.tokens.touch()
            self.lifetimes.advance()

    def _host_spec(self, life: Life) -> HostSpec:
        instance = life.instance
        key = self.ec2(life.region).key_pairs.get(instance.key_name or "")
        user_data = base64.b64decode(str(instance.user_data)) if instance.user_data else b""
        return HostSpec(
            instance_id=instance.id,
            state=instance.state,
            reboots=life.reboots,
            private_ip=instance.private_ip_address or "",
            public_ip=instance.public_ip_address or "",
            zone=instance.availability_zone or "",
            instance_type=instance.instance_type,
            image=account.image_kind(instance.image_id, life.region),
            user_data=user_data,
            public_key=key.public_key.strip() if key else None,
            login_user="admin",
            hostname="ip-" + (instance.private_ip_address or "").replace(".", "-"),
            fault={"never_boot": True} if life.never_boots else {},
        )
