"""Give the Docker engine its configuration, and let it run; print what was done as JSON.

On stdin: ``{"engine": "/usr/sbin/dockerd", "layers": [{…}, …], "waits": false, "check": false}``. The layers are
options for daemon.json, a later one before an earlier one; None removes an option. What else daemon.json has stays,
except what an earlier run wrote and this one does not: the file OWN has that. With ``waits``, an engine that runs is
not restarted, so that its configuration stays; with ``check``, nothing is changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("TOILCTL_ROOT", "/"))
FILE = ROOT / "etc/docker/daemon.json"
BEFORE = FILE.with_name("daemon.json.before-toilctl")
"""What was there before the first change."""
OWN = ROOT / "var/lib/toilctl/docker-daemon.json"
UNIT = "docker.service"
DRIVER, OPTIONS = "log-driver", "log-opts"
REASONS = ("failed to start daemon", "unable to configure")
Settings = dict[str, Any]


def merged(below: Settings, above: Settings) -> Settings:
    """Return options with others before them; lists are joined, and None removes."""
    result = dict(below)
    if DRIVER in above and below.get(DRIVER, above[DRIVER]) != above[DRIVER]:
        # Those of another driver, which this one may not know.
        result.pop(OPTIONS, None)
    for name, value in above.items():
        there = result.get(name)
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = merged(there if isinstance(there, dict) else {}, value)
        elif isinstance(value, list) and isinstance(there, list):
            result[name] = there + [one for one in value if one not in there]
        else:
            result[name] = value
    return result


def without(settings: Settings, own: Settings) -> Settings:
    """Return options without those that an earlier run wrote, and that are still as it wrote them."""
    result: Settings = {}
    for name, value in settings.items():
        if name not in own:
            result[name] = value
        elif isinstance(value, dict) and isinstance(own[name], dict):
            if left := without(value, own[name]):
                result[name] = left
        elif isinstance(value, list) and isinstance(own[name], list):
            if others := [one for one in value if one not in own[name]]:
                result[name] = others
        elif value != own[name]:
            result[name] = value
    return result


def read(file: Path) -> Settings:
    """Return what a file of options has; nothing where there is none."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        found = json.loads(text) if text.strip() else {}
    except ValueError as error:
        sys.exit(f"{file} is no JSON ({error}): mend or remove it, then run this again.")
    if not isinstance(found, dict):
        sys.exit(f"{file} has no JSON object: mend or remove it, then run this again.")
    return found


def write(file: Path, settings: Settings) -> None:
    """Replace a file whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps(settings, indent=4, sort_keys=True) + "\n", encoding="utf-8")
    part.chmod(0o644)
    part.replace(file)


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program; the caller looks at how it ended."""
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)


def is_running() -> bool:
    """Return whether the engine runs."""
    return run("systemctl", "is-active", "--quiet", UNIT).returncode == 0


def refusal(engine: str, settings: Settings) -> str:
    """Return why the engine does not take options; empty where it does, or is too old to be asked (before 23.0)."""
    if "--validate" not in run(engine, "--help").stdout:
        return ""
    candidate = FILE.with_name(f"{FILE.name}.candidate")
    write(candidate, settings)
    asked = run(engine, "--validate", "--config-file", str(candidate))
    candidate.unlink()
    return "" if asked.returncode == 0 else last_line(asked.stderr or asked.stdout)


def restart() -> str:
    """Restart the engine; return why it does not run, empty where it does."""
    # One that failed several times is not started again by systemd for a while.
    run("systemctl", "reset-failed", UNIT)
    if run("systemctl", "restart", UNIT).returncode == 0 and is_running():
        return ""
    said = run("journalctl", "--unit", UNIT, "--output", "cat", "--lines", "50", "--no-pager").stdout
    told = [line for line in said.splitlines() if any(reason in line for reason in REASONS)]
    return last_line("\n".join(told) or said)


def last_line(text: str) -> str:
    """Return the last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it gives no reason")


def change(engine: str, before: Settings, after: Settings, own: Settings) -> None:
    """Give the engine other options; those that it does not run with are taken back."""
    if reason := refusal(engine, after):
        sys.exit(f"Docker does not take these options for {FILE}, which stays as it was: {reason}")
    existed = FILE.exists()
    if existed and not BEFORE.exists() and not OWN.exists():
        BEFORE.write_bytes(FILE.read_bytes())
    write(FILE, after)
    if reason := restart():
        if existed:
            write(FILE, before)
        else:
            FILE.unlink()
        then = "does not run with the former ones either" if restart() else "runs with the former ones"
        sys.exit(f"Docker does not start with these options for {FILE}, and {then}: {reason}")
    write(OWN, own)


def main(asked: dict[str, Any]) -> dict[str, bool]:
    """Do what is to be done; return whether anything changed, and whether a change waits."""
    own: Settings = {}
    for layer in asked["layers"]:
        own = merged(own, layer)
    before = read(FILE)
    after = merged(without(before, read(OWN)), own)
    is_new, runs = after != before, is_running()
    waits = is_new and runs and asked["waits"]
    starts = not runs or run("systemctl", "is-enabled", "--quiet", UNIT).returncode != 0
    if not asked["check"]:
        if is_new and not waits:
            change(asked["engine"], before, after, own)
        elif not runs and (reason := restart()):
            sys.exit(f"Docker does not start: {reason}")
        if starts:
            run("systemctl", "enable", UNIT)
    return {"changed": (is_new and not waits) or starts, "waits": waits}


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
