#!/usr/bin/python
"""The documentation of the action first_contact, which runs where Ansible runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: first_contact
short_description: Wait until a new host answers over ssh and its first boot has finished
description:
  - A host that does not answer in time is unreachable, so that only that host is dropped from the play.
  - A login that is refused is not waited for.
  - Another host key than the recorded one is a failure, and says what it means and what to do.
options:
  timeout_s: {type: float, default: 300, description: How long the host may take.}
  known_hosts: {type: path, description: Where host keys are recorded; for what is said of another one.}
"""

RETURN = r"""
elapsed: {type: float, returned: always, description: How long it took.}
"""
