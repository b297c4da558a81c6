"""What a container image has, asked before a launch: of the local Docker engine, else of the image's registry."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from toilctl.system import progress
from toilctl.system.registry import CannotAskError, NoSuchTagError, Registry
from toilctl.values.appliance import DOCKER_ARCHITECTURES, ImageFacts, ImageReference, ToilTag, engines_of
from toilctl.values.cluster import Engine
from toilctl.values.errors import NotFoundError, UsageError

_LOCAL_TIMEOUT_S: Final = 10


def find(image: str, engine: Engine, architecture: str = "x86_64", insecure: Sequence[str] = ()) -> str:
    """Check an image, and return it, as ``check`` does; where Toil's tag is published in another form alone, that one.

    For an image that a rule chose: which form it has then is said on stderr.

    :raises ToilctlError: as ``check``.
    """
    try:
        return check(image, engine, architecture, insecure)
    except NoSuchTagError as error:
        other = error.facts.get("published_as")
        if not other:
            raise
        found = check(other, engine, architecture, insecure)
        progress.note(f"The appliance {image} does not exist; the same release is published as {other}, which is used.")
        return found


def check(image: str, engine: Engine, architecture: str = "x86_64", insecure: Sequence[str] = ()) -> str:
    """Make sure that an image has the engine and the architecture (in EC2's name) that the nodes need.

    Return it with its digest, where its registry tells that: a tag may be given to another image later, and all nodes
    of a cluster run the same.

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
            return image
        facts = local
    _require(image, facts, engine, docker_architecture)
    if facts.engines is None:
        progress.note(f"The appliance {image} does not tell which engines it has; {engine} is assumed.")
    return f"{image}@{facts.digest}" if facts.digest and not name.digest else image


def installed_toil_tag() -> str | None:
    """Return the image tag that belongs to the Toil installed beside toilctl; Toil itself is not imported."""
    found = find_spec("toil")
    if found is None or found.origin is None:
        return None
    version = Path(found.origin).with_name("version.py")
    tag = re.search(r"^dockerTag = '([^']+)'", version.read_text(), re.MULTILINE) if version.is_file() else None
    return tag[1] if tag else None


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
        shown = subprocess.run(argv, capture_output=True, text=True, timeout=_LOCAL_TIMEOUT_S, check=True).stdout
        labels, architecture = shown.strip().splitlines()
    except (subprocess.SubprocessError, OSError, ValueError):
        return None
    return ImageFacts(frozenset({architecture}), engines_of(json.loads(labels) or {}, name, architecture))
