"""Empty agents of a Mesos cluster, and make the master forget them when they are gone.

mesos_agents.py drain MASTER TIMEOUT_S FORCE NODE…   print what became of each as JSON
mesos_agents.py remove MASTER NODE…                  print those that the master listed as JSON

MASTER is host:port; NODE is a private address or an instance id. Runs on the leader with its own Python. The master
keeps its registry in memory: after a restart it lists no agent until they register again, and has forgotten which
were deactivated. So one that is not listed counts as gone only when the master is old enough, and each look
deactivates what is active again. An empty file, named after the agent's id, tells toilctl's drain from a human's. Those
files are where containers can write: no link is followed there.
"""

import contextlib
import http.client
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

MARKS = Path(os.environ.get("TOILCTL_MARKS", "/var/lib/mesos/toilctl-draining"))
POLL_S = float(os.environ.get("TOILCTL_POLL_S", "2"))
PATIENCE_S = float(os.environ.get("TOILCTL_PATIENCE_S", "120"))
REJOIN_S = 120.0
ANSWER_S = 30.0
GONE_S = 10.0
FORGOTTEN_S = 86400.0
PAGE, OVERLAP = 5000, 1000
ENDED = {
    f"TASK_{state}"
    for state in ("FINISHED", "FAILED", "KILLED", "ERROR", "LOST", "DROPPED", "GONE", "GONE_BY_OPERATOR")
}


AGENT_ID = re.compile(r"\w[\w.-]{0,254}", re.ASCII)


class Restarted(Exception):
    """The master restarted between two questions, so their answers do not belong together."""


NO_ANSWER = (OSError, ValueError, LookupError, TypeError, http.client.HTTPException, Restarted)


def get(master, path):
    """Return an answer of the master's."""
    with urllib.request.urlopen(f"http://{master}/{path}", timeout=ANSWER_S) as answer:
        return json.load(answer)


def call(master, operation, agent, **arguments):
    """Call an operation of the operator API on an agent; one that is gone meanwhile needs none."""
    body = {"type": operation.upper(), operation: {"agent_id": {"value": agent["id"]}, **arguments}}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{master}/api/v1", json.dumps(body).encode(), headers)
    try:
        urllib.request.urlopen(request, timeout=ANSWER_S).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code not in {400, 404, 409}:
            raise


def patiently(ask, master, until):
    """Return what ask returns, as soon as the master answers; end with a sentence when it does not until then."""
    while True:
        try:
            return ask()
        except NO_ANSWER as error:
            if time.monotonic() >= until:
                sys.exit(
                    f"The Mesos master at {master} does not answer, so nothing more was done: {error or 'no word'}."
                )
        time.sleep(POLL_S)


def slaves(master):
    """Return the agents that the master lists; their ids are names of files, too."""
    found = get(master, "slaves")["slaves"]
    if not all(AGENT_ID.fullmatch(agent["id"]) for agent in found):
        raise ValueError("an agent's id is none")
    return found


def named(agents, nodes):
    """Return node → agent of those that are listed."""
    found = {}
    for agent in agents:
        names = {agent["hostname"], agent.get("attributes", {}).get("instance_id")}
        names.update(re.findall(r"@(.+):\d+$", agent["pid"]))
        found.update(dict.fromkeys(names.intersection(nodes), agent))
    return found


def running(master):
    """Return agent id → ids of its tasks; ids of two frameworks may be equal, so both are named."""
    tasks, page, offset = {}, [None] * PAGE, 0
    while len(page) >= PAGE:
        page = get(master, f"tasks?limit={PAGE}&offset={offset}&order=asc")["tasks"]
        # One that moves between pages is read twice, and none is missed: they overlap by what the master may forget.
        tasks.update({f"{task['framework_id']}/{task['id']}": task for task in page})
        offset += PAGE - OVERLAP
    busy = {}
    for name, task in tasks.items():
        if task["state"] not in ENDED:
            busy.setdefault(task["slave_id"], []).append(name)
    return busy


@contextlib.contextmanager
def marks():
    """Open the directory of the marks."""
    directory = os.open(MARKS, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield directory
    finally:
        os.close(directory)


def mark(directory, name):
    """Make a mark, or a new one of it."""
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=directory))
    except FileExistsError:
        os.utime(name, dir_fd=directory, follow_symlinks=False)


def deactivate(master, agent):
    """Give an agent no new tasks, and remember that it was not a human who did so."""
    try:
        MARKS.mkdir(parents=True, exist_ok=True)
        with marks() as directory:
            mark(directory, agent["id"])
    except OSError as error:
        sys.exit(f"Nobody would know who deactivated {agent['id']}, so nothing more was done: {error}.")
    call(master, "deactivate_agent", agent)


def look(master, nodes, cordoned):
    """Deactivate those that are active; return the agents, and what keeps each node that is busy or unknown."""
    began = time.monotonic()
    agents = named(slaves(master), nodes)
    for node, agent in agents.items():
        if not agent.get("deactivated") and not agent.get("drain_info"):
            deactivate(master, agent)
            cordoned.add(node)
    # Asked when no agent gets any more.
    tasks = running(master)
    age_s = get(master, "metrics/snapshot")["master/uptime_secs"]
    if age_s < time.monotonic() - began:
        raise Restarted("it just restarted")
    kept = {node: tasks[agent["id"]] for node, agent in agents.items() if agent["id"] in tasks}
    if age_s < REJOIN_S:
        unknown = [f"unknown: the master restarted {age_s:.0f} s ago"]
        kept.update({node: unknown for node in nodes if node not in agents})
    return agents, kept


def expel(master, agents, until):
    """Make agents kill their tasks, which Toil tries again, and leave; forget the marks of those that left in time."""
    drain_now = {"max_grace_period": {"nanoseconds": 0}, "mark_gone": True}
    for agent in agents.values():
        patiently(lambda agent=agent: call(master, "drain_agent", agent, **drain_now), master, until)
    soon = time.monotonic() + GONE_S
    left = agents
    while left and time.monotonic() < soon:
        time.sleep(min(POLL_S, 0.5))
        left = named(patiently(lambda: slaves(master), master, until), agents)
    for node in agents.keys() - left.keys():
        unmark(agents[node])


def drain(master, timeout_s, force, nodes):
    """Deactivate the agents, wait until they are idle, and tell what became of each."""
    deadline, cordoned = time.monotonic() + timeout_s, set()
    while True:
        agents, kept = patiently(lambda: look(master, nodes, cordoned), master, deadline + PATIENCE_S)
        if not kept or time.monotonic() >= deadline:
            break
        time.sleep(POLL_S)
    if force:
        busy = {node: agent for node, agent in agents.items() if node in kept}
        expel(master, busy, time.monotonic() + PATIENCE_S)
        kept = {}
    return {
        "drained": [node for node in nodes if node not in kept],
        "still_running": kept,
        "cordoned": sorted(cordoned),
    }


def unmark(agent):
    """Forget that an agent was drained."""
    with contextlib.suppress(OSError), marks() as directory:
        os.unlink(agent["id"], dir_fd=directory)


def sweep(known):
    """Remove the marks of agents that left while a restarted master did not list them, and nobody knew their ids."""
    with contextlib.suppress(OSError), marks() as directory:
        for name in set(os.listdir(directory)) - known:  # noqa: PTH208 - by its descriptor
            # What is no file stays.
            with contextlib.suppress(OSError):
                if os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime < time.time() - FORGOTTEN_S:
                    os.unlink(name, dir_fd=directory)


def remove(master, nodes):
    """Mark agents as gone, whose tasks would be called lost only after 75 to 90 s; return those that were listed."""
    until = time.monotonic() + PATIENCE_S
    known = patiently(lambda: slaves(master), master, until)
    agents = named(known, nodes)
    for agent in agents.values():
        patiently(lambda agent=agent: call(master, "mark_agent_gone", agent), master, until)
        unmark(agent)
    sweep({agent["id"] for agent in known})
    return [node for node in nodes if node in agents]


if __name__ == "__main__":
    verb, master, *rest = sys.argv[1:]
    if verb == "drain":
        print(json.dumps(drain(master, float(rest[0]), rest[1] == "true", rest[2:])))
    else:
        print(json.dumps(remove(master, rest)))
