"""Unpack a zip in base64 from stdin into a directory; say ``changed`` when that changed anything.

A top-level directory of the zip is afterwards as it is in the zip: modules that are gone are removed. Files are
replaced one by one and whole, since workflows may be importing them just now.
"""

from __future__ import annotations

import base64
import io
import os
import shutil
import sys
import zipfile
from pathlib import Path


def unpack(text: str, target: Path) -> bool:
    """Make ``target`` as the zip is; return whether anything was different."""
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(text))) as archive:
        wanted = {target / name: archive.read(name) for name in archive.namelist()}
    changed = [path for path, content in wanted.items() if not path.is_file() or path.read_bytes() != content]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        part = path.with_name(path.name + ".part")
        part.write_bytes(wanted[path])
        part.chmod(0o644)
        part.replace(path)
    packages = {target / path.relative_to(target).parts[0] for path in wanted if path.parent != target}
    gone = [path for package in packages for path in package.rglob("*.py") if path not in wanted]
    for path in gone:
        path.unlink()
    for package in packages if changed or gone else ():
        for cache in package.rglob("__pycache__"):
            shutil.rmtree(cache, ignore_errors=True)
    return bool(changed or gone)


if __name__ == "__main__":
    os.umask(0o022)
    if unpack(sys.stdin.read(), Path(sys.argv[1])):
        print("changed")
