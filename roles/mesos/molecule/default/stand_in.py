#!/usr/bin/python3
"""Stands in for mesos-master and mesos-agent: takes their flags, and lets the master list its agents."""

import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

FLAGS = dict(flag.removeprefix("--").partition("=")[::2] for flag in sys.argv[1:])
AGENTS = {}


class Handler(BaseHTTPRequestHandler):
    """Answers /health and /slaves; an agent registers with the master by POST."""

    def do_GET(self):
        """Answer with all that is known."""
        self.reply({"slaves": list(AGENTS.values())})

    def do_POST(self):
        """Register an agent."""
        agent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        AGENTS[agent["hostname"]] = agent
        self.reply({})

    def reply(self, content):
        """Send JSON."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())


def agent():
    """Register with the master until it is told to stop."""
    facts = {
        "hostname": FLAGS["hostname"],
        "active": True,
        "flags": FLAGS,
        "environment": json.loads(os.environ["MESOS_EXECUTOR_ENVIRONMENT_VARIABLES"]),
    }
    while True:
        try:
            request = urllib.request.Request(f"http://{FLAGS['master']}/", json.dumps(facts).encode())
            urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
        except urllib.error.URLError as error:
            print(error, file=sys.stderr)
        time.sleep(1)


if Path(sys.argv[0]).name == "mesos-agent":
    threading.Thread(target=agent, daemon=True).start()
HTTPServer((FLAGS["ip"], int(FLAGS["port"])), Handler).serve_forever()
