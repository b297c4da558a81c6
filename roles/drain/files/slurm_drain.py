"""slurm_drain.py TIMEOUT_S FORCE ID…: empty nodes of a Slurm cluster; print what became of each as JSON.

Runs in the leader's container, with whatever Python is first on its PATH.
"""

import json
import subprocess
import sys
import time

POLL_S = 1.0
REASON = "toilctl: draining"


def output(*command):
    """Run a command of Slurm's; return what it prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def known(ids):
    """Return name → state of those nodes that the controller knows."""
    listed = output("scontrol", "show", "nodes", "--oneliner").splitlines()
    nodes = [dict(field.split("=", 1) for field in line.split() if "=" in field) for line in listed]
    return {node["NodeName"]: node["State"] for node in nodes if node.get("NodeName") in ids}


def running(names):
    """Return the ids of the jobs on each busy node; a job that is just ending counts."""
    if not names:
        return {}
    listed = output("squeue", "--noheader", "--nodelist", ",".join(names), "--states", "R,CG,S", "--format", "%N %A")
    jobs = {}
    for line in listed.splitlines():
        node, job = line.split()
        jobs.setdefault(node, []).append(job)
    return jobs


def update(names, state):
    """Set the state of nodes."""
    if names:
        output("scontrol", "update", f"NodeName={','.join(names)}", f"State={state}", f"Reason={REASON}")


def drain(ids, timeout_s, force):
    """Cordon the nodes, wait until they are idle, and tell what became of each."""
    names = known(ids)
    fresh = [name for name, state in names.items() if "DRAIN" not in state]
    update(fresh, "DRAIN")
    deadline = time.monotonic() + timeout_s
    busy = running(names)
    while busy and time.monotonic() < deadline:
        time.sleep(POLL_S)
        busy = running(names)
    if force:
        # The controller puts the jobs of a node that is down back into the queue.
        update(sorted(busy), "DOWN")
        # A node that is only down comes back when its slurmd calls again.
        update(sorted(busy), "DRAIN")
        busy = {}
    return {"drained": [name for name in ids if name not in busy], "still_running": busy, "cordoned": fresh}


if __name__ == "__main__":
    timeout_s, force, *ids = sys.argv[1:]
    print(json.dumps(drain(ids, float(timeout_s), force == "true")))
