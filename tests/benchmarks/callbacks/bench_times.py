"""Write when each task ran on each host: one JSON object per line, to the file that BENCH_TIMES names."""

import json
import os
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: bench_times
    type: notification
    short_description: Times of tasks per host
    description: Writes host, task and times of each result to the file that BENCH_TIMES names.
    requirements: [enabling]
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "bench_times"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._out = open(os.environ.get("BENCH_TIMES", os.devnull), "a", buffering=1)  # noqa: PTH123, SIM115
        self._began = {}

    def v2_runner_on_start(self, host, task):
        self._began[(host.get_name(), task._uuid)] = time.time()

    def _end(self, result, outcome):
        host, task = result._host.get_name(), result._task
        now = time.time()
        began = self._began.pop((host, task._uuid), now)
        line = {"host": host, "task": task.get_name(), "outcome": outcome, "began": began, "ended": now}
        self._out.write(json.dumps(line) + "\n")

    def v2_runner_on_ok(self, result):
        self._end(result, "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._end(result, "failed")

    def v2_runner_on_unreachable(self, result):
        self._end(result, "unreachable")

    def v2_runner_on_skipped(self, result):
        self._end(result, "skipped")
