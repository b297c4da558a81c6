"""Print as JSON what a host has: the Docker engine's program, and what Ansible's modules for Docker need of Python."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil

ALSO = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin:/snap/bin"
"""An engine that Debian has not packaged may be elsewhere than where root's PATH leads."""

if __name__ == "__main__":
    engine = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:{ALSO}")
    print(json.dumps({"engine": engine or "", "requests": importlib.util.find_spec("requests") is not None}))
