"""Ansible action: the first contact with a new host."""

from __future__ import annotations

import time

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

RETRY_S = 1.0
# sshd may answer before cloud-init has made the login user: so long after its first answer.
DENIED_GRACE_S = 15.0
# What waiting does not mend.
DENIED = ("permission denied", "too many authentication failures")
REFUSED = ("host key verification failed", "remote host identification has changed", "no such identity", "bad owner")


class ActionModule(ActionBase):
    """Waits until ssh answers and the first boot has finished."""

    _VALID_ARGS = frozenset(("timeout_s",))
    TRANSFERS_FILES = False

    def run(self, tmp=None, task_vars=None):
        """Return when the host is ready; a host that does not answer in time is unreachable."""
        result = super().run(tmp, task_vars)
        started = time.monotonic()
        timeout_s = float(self._task.args.get("timeout_s", 300))
        answered = None
        command = f"timeout {max(1, int(timeout_s))} cloud-init status --wait >/dev/null 2>&1; true"
        while True:
            try:
                # What user data did not do, the roles do: its outcome does not matter.
                self._low_level_execute_command(command, sudoable=False)
            except AnsibleConnectionFailure as error:
                now = time.monotonic()
                if answered is None and is_denial(str(error)):
                    answered = now
                denied_s = None if answered is None else now - answered
                if is_final(str(error), now - started, timeout_s, denied_s):
                    raise
                time.sleep(RETRY_S)
            else:
                break
        return {**result, "changed": False, "elapsed": round(time.monotonic() - started, 1)}


def is_denial(message):
    """Return whether sshd has answered, and lets nobody in."""
    return any(words in message.lower() for words in DENIED)


def is_final(message, elapsed_s, timeout_s, denied_s=None):
    """Return whether to give up, for a host that has not answered properly for ``elapsed_s``.

    :param denied_s: for how long sshd has been answering, and lets nobody in; a host may take long to come that far.
    """
    text = message.lower()
    if any(words in text for words in REFUSED) or elapsed_s >= timeout_s:
        return True
    return is_denial(message) and denied_s is not None and denied_s >= DENIED_GRACE_S
