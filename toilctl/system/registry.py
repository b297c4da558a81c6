"""A container image in its registry: what it says of it, over the HTTP API that all registries speak."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from toilctl.values.appliance import DOCKER_HUB, ImageFacts, ImageReference, engines_of
from toilctl.values.cluster import Engine
from toilctl.values.errors import NotFoundError, ToilctlError

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
_MOST_BYTES: Final = 4 * 1024**2
"""Of an answer; what the OCI distribution specification, "Pushing Manifests", lets a manifest have at least."""
_TAGS_PER_PAGE: Final = 100
_MOST_PAGES: Final = 10


class CannotAskError(Exception):
    """The registry cannot be reached, or does not answer as one."""


class NoSuchTagError(NotFoundError):
    """The registry answers, and has no such image."""


@dataclass
class Registry:
    """One image in its registry."""

    image: ImageReference
    insecure: Sequence[str] = ()
    _token: str | None = field(default=None, repr=False)

    def facts(self, architecture: str) -> ImageFacts:
        """Return what the image has; its engines are those on one architecture (in Docker's name).

        :raises NotFoundError: when it does not exist, or not for everybody.
        :raises CannotAskError: when nobody could tell.
        """
        content = self._read(f"manifests/{self.image.digest or self.image.tag}", (*_INDEXES, *_MANIFESTS))
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if self.image.digest not in (None, digest):
            raise CannotAskError(f"{self.image.registry} answers with another image, {digest}")
        try:
            return replace(self._facts_of(self._parsed(content), architecture), digest=digest)
        except (AttributeError, KeyError, TypeError):
            raise CannotAskError(f"{self.image.registry} answers in an unknown form") from None

    def _facts_of(self, manifest: Mapping[str, Any], architecture: str) -> ImageFacts:
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
            said = self._get(f"tags/list?{query}", ()).get("tags") or []
            if not isinstance(said, list):
                raise CannotAskError(f"{self.image.registry} answers in an unknown form")
            page = [str(tag) for tag in said]
            yield from page
            if len(page) < _TAGS_PER_PAGE or page[-1] == start:
                return
            start = page[-1]

    def _config_of(self, manifest: Mapping[str, Any]) -> tuple[str, frozenset[Engine] | None]:
        config = self._get(f"blobs/{manifest['config']['digest']}", ())
        architecture = str(config["architecture"])
        labels = config.get("config", {}).get("Labels") or {}
        return architecture, engines_of(labels, self.image, architecture)

    def _get(self, path: str, accept: Sequence[str]) -> dict[str, Any]:
        return self._parsed(self._read(path, accept))

    def _read(self, path: str, accept: Sequence[str]) -> bytes:
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

    def _open(self, url: str, accept: Sequence[str] = ()) -> bytes:
        host = urllib.parse.urlsplit(url).netloc
        request = urllib.request.Request(url)  # noqa: S310 - the scheme is ours
        request.add_header("Accept", ", ".join(accept) or "*/*")
        if self._token:
            # Blobs are often elsewhere, at a store that refuses two kinds of authorization at once.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the scheme is ours
                content = bytes(answer.read(_MOST_BYTES + 1))
        except urllib.error.HTTPError:
            raise
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise CannotAskError(f"{host} does not answer: {reason}") from error
        if len(content) > _MOST_BYTES:
            raise CannotAskError(f"{host} answers with more than {_MOST_BYTES} bytes")
        return content

    def _parsed(self, content: bytes) -> dict[str, Any]:
        try:
            return dict(json.loads(content))
        except (ValueError, TypeError, RecursionError) as error:
            raise CannotAskError(f"{self.image.registry} does not answer as a registry: {error}") from error

    def _new_token(self, challenge: str) -> str:
        """Get the token that a registry gives to everybody."""
        parameters = dict(_PARAMETER.findall(challenge))
        realm = parameters.pop("realm", "")
        if not challenge.lower().startswith("bearer") or not realm.startswith(("https://", "http://")):
            raise CannotAskError(f"{self.image.registry} wants a password")
        parameters.setdefault("scope", f"repository:{self.image.repository}:pull")
        try:
            answer = self._parsed(self._open(f"{realm}?{urllib.parse.urlencode(parameters)}"))
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
