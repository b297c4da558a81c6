"""The system calls that a host may not make, as a seccomp profile of Docker's.

Docker's own profile forbids what a nested Docker needs, such as the kernel's keyrings. So this one names what no
instance's programs need, and what reaches past the host though it has the capability: another kernel, modules, the
clock, swap, this machine's files by their handles, and the parts of the kernel that watch or change it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

FORBIDDEN: Final = (
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module",
    "clock_settime", "clock_settime64", "clock_adjtime64", "settimeofday", "stime",
    "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "nfsservctl",
    "open_by_handle_at", "lookup_dcookie", "iopl", "ioperm",
    "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
)  # fmt: skip
DEVICES: Final = "bpf"
"""Where control groups are of version 2, systemd and Docker guard devices by it; elsewhere nothing needs it."""

_VERSION_2: Final = Path("/sys/fs/cgroup/cgroup.controllers")


def profile() -> str:
    """Return the profile as Docker reads it: JSON."""
    forbidden = [*FORBIDDEN] if _VERSION_2.exists() else [*FORBIDDEN, DEVICES]
    rule = {"names": forbidden, "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    return json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
