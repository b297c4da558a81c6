"""What a container image has, asked before a launch: of the local Docker engine, else of the image's registry."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from toilctl.system import progress
from toilctl.values.appliance import DOCKER_ARCHITECTURES, DOCKER_HUB, ImageFacts, ImageReference, ToilTag, engines_of
from toilctl.values.cluster import Engine
from toilctl.values.errors import NotFoundError, ToilctlError, UsageError

_TIMEOUT_S: Final = 10
_DOCKER_HUB_HOST: Final = "registry-1.docker.io"
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')


_TAGS_PER_PAGE: Final = 100
_MOST_PAGES: Final = 10


class CannotAskError(Exception):
    """The registry cannot be reached, or does not answer as one."""


class NoSuchTagError(NotFoundError):
    """The registry answers, and has no such image."""


def find(image: str, engine: Engine, architecture: str = "x86_64", insecure: Sequence[str] = ()) -> str:
    """Return the image, checked as ``check`` does; where Toil's tag is published in another form alone, that one.

    For an image that a rule chose: which form it has then is said on stderr.

    :raises ToilctlError: as ``check``.
    """
    try:
        check(image, engine, architecture, insecure)
    except NoSuchTagError as error:
        other = error.facts.get("published_as")
        if not other:
            raise
        check(other, engine, architecture, insecure)
        progress.note(f"The appliance {image} does not exist; the same release is published as {other}, which is used.")
        return str(other)
    return image


def check(image: str, engine: Engine, architecture: str = "x86_64", insecure: Sequence[str] = ()) -> None:
    """Make sure that an image has the engine and the architecture (in EC2's name) that the nodes need.

    ``insecure`` are registries without TLS. What nobody can tell is said on stderr and does not stop a launch.

    :raises ToilctlError: when it lacks one of them, or the nodes cannot pull it.
    """
    name, docker_architecture = ImageReference.parse(image), DOCKER_ARCHITECTURES.get(architecture, architecture)
    try:
        facts = Registry(name, insecure).facts(docker_architecture)
    except (CannotAskError, NotFoundError) as error:
        # Nodes may reach a registry that this machine does not, and where this machine pulled it from, or built it for.
        local = _local_facts(image, name)
        if isinstance(error, NotFoundError):
            raise (_never_pushed(image) if local else _with_other_form(error, name, insecure)) from None
        # Of an image for several architectures, this machine has its own alone.
        if local is None or docker_architecture not in local.architectures:
            progress.note(f"The appliance {image} could not be checked: {error}.")
            return
        facts = local
    _require(image, facts, engine, docker_architecture)
    if facts.engines is None:
        progress.note(f"The appliance {image} does not tell which engines it has; {engine} is assumed.")


def installed_toil_tag() -> str | None:
    """Return the image tag that belongs to the Toil installed beside toilctl; Toil itself is not imported."""
    found = find_spec("toil")
    if found is None or found.origin is None:
        return None
    version = Path(found.origin).with_name("version.py")
    tag = re.search(r"^dockerTag = '([^']+)'", version.read_text(), re.MULTILINE) if version.is_file() else None
    return tag[1] if tag else None


@dataclass
class Registry:
    """One image in its registry, over the HTTP API that all of them speak."""

    image: ImageReference
    insecure: Sequence[str] = ()
    _token: str | None = field(default=None, repr=False)

    def facts(self, architecture: str) -> ImageFacts:
        """Return what the image has; its engines are those on one architecture (in Docker's name).

        :raises NotFoundError: when it does not exist, or not for everybody.
        :raises CannotAskError: when nobody could tell.
        """
        manifest = self._get(f"manifests/{self.image.digest or self.image.tag}", (*_INDEXES, *_MANIFESTS))
        if "manifests" in manifest:
            parts = {part.get("platform", {}).get("architecture"): part["digest"] for part in manifest["manifests"]}
            # Attestations stand in the list as parts of an unknown architecture.
            known = frozenset(name for name in parts if name and name != "unknown")
            if architecture not in known:
                return ImageFacts(known, None)
            return ImageFacts(known, self._config_of(self._get(f"manifests/{parts[architecture]}", _MANIFESTS))[1])
        there, engines = self._config_of(manifest)
        return ImageFacts(frozenset({there}), engines)

    def exists(self) -> bool:
        """Tell whether there is such an image."""
        try:
            self._get(f"manifests/{self.image.tag}", (*_INDEXES, *_MANIFESTS))
        except NoSuchTagError:
            return False
        return True

    def tags_after(self, start: str) -> Iterator[str]:
        """Yield the repository's tags that come after ``start``, which need not exist, in the order of their letters.

        OCI distribution specification, "Listing Tags".
        """
        for _ in range(_MOST_PAGES):
            query = urllib.parse.urlencode({"n": _TAGS_PER_PAGE, "last": start})
            page = [str(tag) for tag in self._get(f"tags/list?{query}", ()).get("tags") or ()]
            yield from page
            if len(page) < _TAGS_PER_PAGE or page[-1] == start:
                return
            start = page[-1]

    def _config_of(self, manifest: Mapping[str, Any]) -> tuple[str, frozenset[Engine] | None]:
        try:
            config = self._get(f"blobs/{manifest['config']['digest']}", ())
            architecture = str(config["architecture"])
        except (KeyError, TypeError):
            raise CannotAskError(f"{self.image.registry} answers in an old form") from None
        labels = config.get("config", {}).get("Labels") or {}
        return architecture, engines_of(labels, self.image, architecture)

    def _get(self, path: str, accept: Sequence[str]) -> dict[str, Any]:
        url = f"{self._base()}/v2/{self.image.repository}/{path}"
        try:
            return self._open(url, accept)
        except urllib.error.HTTPError as error:
            if error.code != 401 or self._token is not None:
                raise self._explained(error) from None
            self._token = self._new_token(error.headers.get("WWW-Authenticate", ""))
        try:
            return self._open(url, accept)
        except urllib.error.HTTPError as error:
            raise self._explained(error) from None

    def _open(self, url: str, accept: Sequence[str] = ()) -> dict[str, Any]:
        request = urllib.request.Request(url)  # noqa: S310 - the scheme is ours
        request.add_header("Accept", ", ".join(accept) or "*/*")
        if self._token:
            # Blobs are often elsewhere, at a store that refuses two kinds of authorization at once.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the scheme is ours
                return dict(json.load(answer))
        except urllib.error.HTTPError:
            raise
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise CannotAskError(f"{urllib.parse.urlsplit(url).netloc} does not answer: {reason}") from error

    def _new_token(self, challenge: str) -> str:
        """Get the token that a registry gives to everybody."""
        parameters = dict(_PARAMETER.findall(challenge))
        realm = parameters.pop("realm", "")
        if not challenge.lower().startswith("bearer") or not realm.startswith(("https://", "http://")):
            raise CannotAskError(f"{self.image.registry} wants a password")
        parameters.setdefault("scope", f"repository:{self.image.repository}:pull")
        try:
            answer = self._open(f"{realm}?{urllib.parse.urlencode(parameters)}")
        except urllib.error.HTTPError as error:
            raise self._explained(error) from None
        return str(answer.get("token") or answer.get("access_token") or "")

    def _base(self) -> str:
        registry = self.image.registry
        host = _DOCKER_HUB_HOST if registry == DOCKER_HUB else registry
        plain = registry in self.insecure or registry.partition(":")[0] in ("localhost", "127.0.0.1")
        return f"{'http' if plain else 'https'}://{host}"

    def _explained(self, error: urllib.error.HTTPError) -> Exception:
        if error.code == 404:
            return self._missing("does not exist", NoSuchTagError)
        if error.code in (401, 403):
            return self._missing("does not exist, or is not public", NotFoundError)
        return CannotAskError(f"{self.image.registry} answers {error.code} {error.reason}")

    def _missing(self, what: str, kind: type[NotFoundError]) -> ToilctlError:
        return kind(
            f"The appliance {self.image} {what}.",
            "Check its name and tag (--appliance, TOIL_APPLIANCE_SELF), or push one of your own: "
            "toilctl appliance build --push.",
            appliance_image=str(self.image),
        )


def _require(image: str, facts: ImageFacts, engine: Engine, architecture: str) -> None:
    """Make sure that an image has the nodes' architecture (in Docker's name) and the engine.

    :raises NotFoundError: when it lacks the architecture.
    :raises UsageError: when it lacks the engine.
    """
    if architecture not in facts.architectures:
        has = ", ".join(sorted(facts.architectures)) or "none"
        raise NotFoundError(
            f"The appliance {image} is not there for {architecture}, which the nodes are; it is for: {has}.",
            "Choose other instance types, or another image with --appliance.",
            appliance_image=image, architecture=architecture, architectures=sorted(facts.architectures),
        )  # fmt: skip
    if facts.engines is not None and engine not in facts.engines:
        has = ", ".join(sorted(facts.engines)) or "none"
        other = f"Choose --engine {min(facts.engines)}, or another image. " if facts.engines else ""
        raise UsageError(
            f"The appliance {image} does not have the engine {engine} for {architecture}; it has: {has}.",
            f"{other}Build one that has it with 'toilctl appliance build' (Mesos: --mesos-from), and name it with "
            "--appliance.",
            appliance_image=image, engine=engine, engines=sorted(facts.engines),
        )  # fmt: skip


def _with_other_form(error: NotFoundError, image: ImageReference, insecure: Sequence[str]) -> NotFoundError:
    """Return the error with the form of Toil's tag under which the image is published, where there is one."""
    tag = ToilTag.parse(image.tag)
    if not isinstance(error, NoSuchTagError) or tag is None or image.digest:
        return error
    try:
        other = _other_form(image, tag, insecure)
    except (CannotAskError, NotFoundError):
        return error
    if other is None:
        return error
    return NoSuchTagError(
        error.message, f"The same release is published as {other}: name that, with --appliance.",
        **{**error.facts, "published_as": str(other)},
    )  # fmt: skip


def _other_form(image: ImageReference, tag: ToilTag, insecure: Sequence[str]) -> ImageReference | None:
    for form in tag.forms:
        other = replace(image, tag=form)
        if form != image.tag and Registry(other, insecure).exists():
            return other
    if tag.commit:
        return None
    for listed in Registry(image, insecure).tags_after(tag.version):
        if not listed.startswith(tag.version):
            return None
        complete = ToilTag.parse(listed)
        if complete and complete.commit and complete.is_form_of(tag):
            return replace(image, tag=listed)
    return None


def _never_pushed(image: str) -> NotFoundError:
    return NotFoundError(
        f"The appliance {image} is in this machine's Docker engine, but its registry does not give it to the nodes.",
        f"Push it: docker push {image}; and make it public.",
        appliance_image=image,
    )


def _local_facts(image: str, name: ImageReference) -> ImageFacts | None:
    if shutil.which("docker") is None:
        return None
    argv = ["docker", "image", "inspect", "--format", "{{json .Config.Labels}}\n{{.Architecture}}", image]
    try:
        shown = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout
        labels, architecture = shown.strip().splitlines()
    except (subprocess.SubprocessError, OSError, ValueError):
        return None
    return ImageFacts(frozenset({architecture}), engines_of(json.loads(labels) or {}, name, architecture))
