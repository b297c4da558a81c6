"""slurm_drain.py TIMEOUT_S FORCE ID…: empty nodes of a Slurm cluster; print what became of each as JSON.

Runs in the leader's container, with whatever Python is first on its PATH. A node that somebody drained already keeps
the reason that it has. Nothing here gives a node jobs again.
"""

import contextlib
import json
import re
import subprocess
import sys
import time

POLL_S = 1.0
REASON = "toilctl: draining"
HOLDING = "CONFIGURING,COMPLETING,RUNNING,SUSPENDED,STOPPED,SIGNALING,RESIZING,STAGE_OUT"
BUSY = {"ALLOCATED", "MIXED", "COMPLETING"}


def output(*command):
    """Run a command of Slurm's; return what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace").stdout


def known(ids):
    """Return name → state flags of those nodes that the controller knows."""
    states = {}
    for line in output("scontrol", "show", "nodes", "--oneliner").split("\n"):
        # The first of two wins: a reason, which comes last, may be any text.
        fields = dict(reversed([field.split("=", 1) for field in line.split() if "=" in field]))
        # What else begins a line, or has no state, is the rest of a reason that has several.
        if line.startswith("NodeName=") and fields["NodeName"] in ids and "State" in fields:
            states[fields["NodeName"]] = set(fields["State"].rstrip("*").split("+"))
    return states


def expand(nodes):
    """Return the names in a list as Slurm abbreviates it: ``i-0a[1-2,7],i-0b``."""
    names = []
    for part in re.split(r",(?![^\[]*\])", nodes):
        found = re.fullmatch(r"([^\[]*)\[([^\]]*)\](.*)", part)
        for one in found[2].split(",") if found else ():
            first, _, last = one.partition("-")
            for number in range(int(first), int(last or first) + 1):
                names += expand(f"{found[1]}{number:0{len(first)}}{found[3]}")
        names += [] if found else [part]
    return names


def running(states):
    """Return the ids of the jobs on each busy node; one that starts, is suspended or is just ending counts."""
    jobs = {name: [] for name, flags in states.items() if flags & BUSY}
    for line in output("squeue", "--noheader", "--states", HOLDING, "--format", "%i %N").split("\n"):
        job, _, nodes = line.partition(" ")
        for name in set(expand(nodes)) & states.keys():
            jobs.setdefault(name, []).append(job)
    return jobs


def update(names, state):
    """Set the state of nodes."""
    if not names:
        return
    change = (f"State={state}", f"Reason={REASON}")
    try:
        output("scontrol", "update", f"NodeName={','.join(names)}", *change)
    except subprocess.CalledProcessError:
        # One that is gone by now hides the others.
        for name in names:
            with contextlib.suppress(subprocess.CalledProcessError):
                output("scontrol", "update", f"NodeName={name}", *change)


def cordon(ids):
    """Give the nodes no new jobs; return those that got some until now, and the jobs on each that is still busy.

    Jobs are asked for when no node gets any more. A node that gets jobs all the same counts as busy.
    """
    fresh = [name for name, flags in known(ids).items() if "DRAIN" not in flags]
    update(fresh, "DRAIN")
    states = known(ids)
    busy = running(states)
    for name, flags in states.items():
        if "DRAIN" not in flags:
            busy.setdefault(name, [])
    return fresh, busy


def drain(ids, timeout_s, force):
    """Cordon the nodes, wait until they are idle, and tell what became of each."""
    deadline = time.monotonic() + timeout_s
    cordoned, busy = cordon(ids)
    while busy and time.monotonic() < deadline:
        time.sleep(POLL_S)
        late, busy = cordon(ids)
        cordoned += late
    if force:
        # The controller puts the jobs of a node that is down back into the queue.
        update(sorted(busy), "DOWN")
        # A node that is only down comes back when its slurmd calls again.
        update(sorted(busy), "DRAIN")
        busy = {}
    return {"drained": [name for name in ids if name not in busy], "still_running": busy, "cordoned": cordoned}


if __name__ == "__main__":
    timeout_s, force, *ids = sys.argv[1:]
    print(json.dumps(drain(ids, float(timeout_s), force == "true")))
