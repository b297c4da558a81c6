"""mesos_drain.py MASTER TIMEOUT_S FORCE ADDRESS…: empty agents of a Mesos cluster; print what became of each as JSON.

MASTER is host:port; agents are named by their private addresses. Runs on the leader with its own Python.
"""

import json
import sys
import time
import urllib.request

POLL_S = 2.0
TASK_LIMIT = 1000000
ACTIVE_STATES = {"TASK_STAGING", "TASK_STARTING", "TASK_RUNNING", "TASK_KILLING"}


def get(master, path):
    """Return an answer of the master's."""
    with urllib.request.urlopen(f"http://{master}/{path}", timeout=30) as answer:
        return json.load(answer)


def call(master, operation, **arguments):
    """Call an operation of the operator API."""
    body = json.dumps({"type": operation.upper(), operation: arguments}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{master}/api/v1", body, headers)
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


def agent_ids(slaves, addresses):
    """Return address → agent id of those agents that the master lists."""
    return {agent["hostname"]: agent["id"] for agent in slaves["slaves"] if agent["hostname"] in addresses}


def running(tasks, agents):
    """Return address → ids of the tasks there; ids of two frameworks may be equal, so both are named."""
    names = {agent: address for address, agent in agents.items()}
    busy = {}
    for task in tasks["tasks"]:
        if task["state"] in ACTIVE_STATES and task["slave_id"] in names:
            busy.setdefault(names[task["slave_id"]], []).append(f"{task['framework_id']}/{task['id']}")
    return busy


def drain(master, timeout_s, force, addresses):
    """Deactivate the agents, wait until they are idle, and tell what became of each."""
    agents = agent_ids(get(master, "slaves"), addresses)
    for agent in agents.values():
        call(master, "deactivate_agent", agent_id={"value": agent})
    deadline = time.monotonic() + timeout_s
    busy = running(get(master, f"tasks?limit={TASK_LIMIT}"), agents)
    while busy and time.monotonic() < deadline:
        time.sleep(POLL_S)
        busy = running(get(master, f"tasks?limit={TASK_LIMIT}"), agents)
    if force:
        for address in busy:
            # The tasks end as TASK_KILLED, which Toil tries again, and the agent leaves the list.
            grace = {"nanoseconds": 0}
            call(master, "drain_agent", agent_id={"value": agents[address]}, max_grace_period=grace, mark_gone=True)
        busy = {}
    return {"drained": [a for a in addresses if a not in busy], "still_running": busy, "cordoned": sorted(agents)}


if __name__ == "__main__":
    master, timeout_s, force, *addresses = sys.argv[1:]
    print(json.dumps(drain(master, float(timeout_s), force == "true", addresses)))
