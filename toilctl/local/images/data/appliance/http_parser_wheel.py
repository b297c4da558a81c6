"""Make a wheel of http-parser's Python files alone: ``python3 http_parser_wheel.py DIRECTORY`` with its sdist there.

The C file in the sdist does not compile on Python 3.11 and later, and setup.py knows no build without it. The package
falls back to its parser in Python by itself, and pymesos works with either. A wheel without C runs on any processor.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import tarfile
import zipfile
from pathlib import Path

_FILE = re.compile(r"[^/]+/(?P<path>http_parser/\w+\.py|PKG-INFO|LICENSE)")
_WHEEL = "Wheel-Version: 1.0\nGenerator: toilctl\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def make(sdist: Path) -> Path:
    """Write the wheel beside the sdist and return its path.

    :raises ValueError: when the sdist lacks the parser in Python.
    """
    found = _files(sdist)
    if "http_parser/pyparser.py" not in found:
        raise ValueError(f"{sdist.name} has no http_parser/pyparser.py")
    version = sdist.name.removesuffix(".tar.gz").rpartition("-")[2]
    about = f"http_parser-{version}.dist-info"
    contents = {path: content for path, content in found.items() if path.startswith("http_parser/")}
    contents[f"{about}/METADATA"] = found["PKG-INFO"]
    contents[f"{about}/LICENSE"] = found["LICENSE"]
    contents[f"{about}/WHEEL"] = _WHEEL.encode()
    record = [_recorded(path, content) for path, content in contents.items()]
    contents[f"{about}/RECORD"] = "\n".join([*record, f"{about}/RECORD,,", ""]).encode()
    wheel = sdist.with_name(f"http_parser-{version}-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as out:
        for path, content in contents.items():
            out.writestr(path, content)
    return wheel


def _files(sdist: Path) -> dict[str, bytes]:
    contents = {}
    with tarfile.open(sdist) as archive:
        for member in archive:
            match = _FILE.fullmatch(member.name)
            file = archive.extractfile(member) if match and member.isfile() else None
            if match and file:
                contents[match["path"]] = file.read()
    return contents


def _recorded(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}"


if __name__ == "__main__":
    for one in Path(sys.argv[1]).glob("http[-_]parser-*.tar.gz"):
        print(make(one))
