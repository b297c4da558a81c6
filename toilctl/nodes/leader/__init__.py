"""What toilctl does in the leader's container: runs, deployments, job stores. It is installed as ``toilctl_leader``.

``python3 -m toilctl_leader VERB`` reads one JSON document and writes one; ``toilctl.verbs.connect.ask_leader`` asks so.
"""

from __future__ import annotations
