"""install.py UNIT: write files, and run the systemd unit that is among them; print whether anything was to be done.

Standard input has {path: content} as JSON. The unit starts anew only where a file is another one than before, and where
it does not run. Runs on nodes, with their own Python.
"""

import json
import subprocess
import sys
from pathlib import Path


def write(path, content):
    """Write a file that root owns and all may read; return whether it is another one than before."""
    if path.is_file() and path.read_text() == content:
        return False
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(content)
    new.chmod(0o644)
    new.replace(path)
    return True


def systemctl(*words):
    """Call systemctl, and fail as it does."""
    subprocess.run(["systemctl", *words], check=True)


def runs(unit):
    """Tell whether a unit is active, and will be after a restart of the host."""
    asked = (["systemctl", verb, "--quiet", unit] for verb in ("is-active", "is-enabled"))
    return not any(subprocess.run(words, check=False).returncode for words in asked)


def main():
    """Install what standard input has."""
    unit = sys.argv[1]
    changed = [path for path, content in json.load(sys.stdin).items() if write(Path(path), content)]
    if not changed and runs(unit):
        print("unchanged")
        return
    systemctl("daemon-reload")
    systemctl("enable", "--quiet", unit)
    systemctl("restart", unit)
    print("installed")


if __name__ == "__main__":
    main()
