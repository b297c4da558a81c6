"""leader_watch.py run SETTINGS.json: the leader's program, of the package beside this file."""

import sys
from pathlib import Path

# Python in isolated mode does not look there by itself.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from toilctl_watch.leader import main  # noqa: E402 - found only now

main()
