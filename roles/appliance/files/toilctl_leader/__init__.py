"""What toilctl does in the leader's container: runs, deployments, job stores. Python's standard library, and Toil.

``python3 -m toilctl_leader VERB`` reads one JSON document and writes one; ``toilctl.verbs.leader`` asks so.
"""

from __future__ import annotations
