"""slurm_remove.py ID…: make a Slurm controller forget nodes that are gone; print those it knew as JSON.

Runs in the leader's container, with whatever Python is first on its PATH.
"""

import json
import subprocess
import sys
import time

ATTEMPTS = 20
DELAY_S = 0.5


def scontrol(*arguments):
    """Run scontrol; the caller looks at its return code."""
    return subprocess.run(["scontrol", *arguments], capture_output=True, text=True, check=False)


def remove(name):
    """Forget one node; return whether the controller knew it."""
    if scontrol("show", "node", name).returncode:
        return False
    # Whatever it still counts as running there goes back to the queue; it takes a moment.
    scontrol("update", f"NodeName={name}", "State=DOWN", "Reason=toilctl: terminated")
    for _ in range(ATTEMPTS):
        answer = scontrol("delete", f"NodeName={name}")
        # The autoscaler may have been quicker.
        if not answer.returncode or scontrol("show", "node", name).returncode:
            return True
        time.sleep(DELAY_S)
    raise SystemExit(f"{name}: {answer.stderr.strip()}")


if __name__ == "__main__":
    print(json.dumps([name for name in sys.argv[1:] if remove(name)]))
