"""Writes the archive: the same files give the same bytes and the same digest."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from toilctl.bundle import distributions
from toilctl.bundle.contents import Part

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest time that a zip file can tell."""
_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: toilctl\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_INSTALLER: Final = Path(__file__).with_name("installer.py")

Content = Mapping[str, bytes]
"""Files by their paths below site-packages."""


@dataclass(frozen=True)
class Manifest:
    """All that goes into an archive, and the digest of it."""

    digest: str
    version: str
    scripts: Mapping[str, str]
    contents: Mapping[str, Content]
    """By the name of the zip file or wheel inside the archive."""

    def document(self) -> dict[str, object]:
        """Return what ``installer.py`` reads."""
        return {
            "digest": self.digest,
            "version": self.version,
            "scripts": dict(self.scripts),
            "modules": sorted(distributions.FROM_DEBIAN.values()),
            "python": [int(number) for number in distributions.LEADER_PYTHON.split(".")[:2]],
        }


def manifest(parts: Sequence[Part], collections: Mapping[str, Path], version: str) -> Manifest:
    """Read all files, and reckon the digest of their names and contents."""
    contents = {f"{_stem(part)}-py3-none-any.whl": _wheel_content(part) for part in parts}
    contents["ansible_collections.zip"] = {name: path.read_bytes() for name, path in collections.items()}
    scripts = {name: target for part in parts for name, target in sorted(part.scripts.items())}
    described = {
        "contents": {name: _hashes(content) for name, content in contents.items()},
        "installer": hashlib.sha256(_INSTALLER.read_bytes()).hexdigest(),
        "scripts": scripts,
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    return Manifest(digest, version, scripts, contents)


def pieces(manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    """Yield the archive's files: the program, what it is told, and the wheels."""
    yield "__main__.py", _INSTALLER.read_bytes()
    yield "manifest.json", (json.dumps(manifest.document(), indent=1, sort_keys=True) + "\n").encode()
    for name, content in sorted(manifest.contents.items()):
        out = io.BytesIO()
        write_zip(out, sorted(content.items()), compressed=True)
        yield f"parts/{name}", out.getvalue()


def write_zip(out: IO[bytes], files: Iterable[tuple[str, bytes]], *, compressed: bool) -> None:
    """Write a zip file whose bytes depend on nothing but the files, in their order."""
    with zipfile.ZipFile(out, "w") as target:
        for name, content in files:
            about = zipfile.ZipInfo(name, _EPOCH)
            about.external_attr = 0o100644 << 16
            about.compress_type = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
            target.writestr(about, content)


def _wheel_content(part: Part) -> dict[str, bytes]:
    content = {name: path.read_bytes() for name, path in part.files.items()}
    content |= {name: text.encode() for name, text in part.texts.items()}
    content[f"{_stem(part)}.dist-info/WHEEL"] = _WHEEL.encode()
    if part.scripts:
        lines = ["[console_scripts]", *(f"{name} = {target}" for name, target in sorted(part.scripts.items())), ""]
        content[f"{_stem(part)}.dist-info/entry_points.txt"] = "\n".join(lines).encode()
    record = f"{_stem(part)}.dist-info/RECORD"
    rows = [f"{name},sha256={_urlsafe(data)},{len(data)}" for name, data in sorted(content.items())]
    return content | {record: "\n".join([*rows, f"{record},,", ""]).encode()}


def _stem(part: Part) -> str:
    (metadata,) = part.texts
    return metadata.removesuffix(".dist-info/METADATA")


def _urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _hashes(content: Content) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
