"""The programs of macOS that toilctl could meet: its own rsync, a BSD ps, and none of GNU's."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

PORTABLE = ("ssh", "ssh-add", "ssh-keygen", "git", "env", "sh")
"""The same programs, or as good as."""
GNU = ("date", "stat", "timeout", "readlink", "sha256sum", "nproc", "free", "ip", "getent", "setsid", "tac", "xargs")
"""Those that are not there, or take other options: whoever calls one fails."""

# Of openrsync's manual page on macOS 15.4.
_LETTERS = "0468BCDEFHILOPRSTWVabcdefghiklmnopqrtuvxyz"
_LONG = """
    address append backup-dir bwlimit cache no-cache checksum-seed chmod compare-dest compress-level contimeout
    copy-dest copy-unsafe-links del delay-updates delete-before delete-during delete-delay delete-after delete-excluded
    exclude exclude-from extended-attributes files-from force ignore-errors ignore-existing ignore-non-existing include
    include-from inplace keep-dirlinks link-dest list-only max-delete max-size min-size modify-window no-implied-dirs
    no-motd numeric-ids partial partial-dir password-file port progress protocol read-batch remove-source-files rsh
    rsync-path safe-links size-only sockopts specials stats suffix super timeout version write-batch
"""
_RSYNC = f"""#!{sys.executable}
import json, re, sys
for word in sys.argv[1:]:
    known = re.fullmatch('-[{_LETTERS}]+', word) or word.partition('=')[0].removeprefix('--') in {_LONG.split()}
    if word.startswith('-') and not known:
        sys.exit(f'rsync: unrecognized option {{word}}')
if sys.argv[1:] == ['--version']:
    print('openrsync: protocol version 29\\nrsync version 2.6.9 compatible')
    sys.exit()
with open(__file__ + '.log', 'a') as log:
    print(json.dumps(sys.argv[1:]), file=log)
"""
_PS = f"""#!{sys.executable}
import os, sys
if sys.argv[1:] != ['-A', '-o', 'pid=,ppid=']:
    sys.exit(f'ps: illegal option in {{sys.argv[1:]}}')
os.execv({shutil.which("ps")!r}, ['ps', '-A', '-o', 'pid=,ppid='])
"""
_OTHER = '#!/bin/sh\necho "$0: illegal option" >&2\necho "$0 $*" >> \'{log}\'\nexit 64\n'


class MacOS:
    """A directory of such programs, to be the only one on PATH."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.bin.mkdir()
        self._log = directory / "gnu.log"
        for name in PORTABLE:
            real = shutil.which(name)
            if real:
                (self.bin / name).symlink_to(real)
        programs = {"rsync": _RSYNC, "ps": _PS, **dict.fromkeys(GNU, _OTHER.format(log=self._log))}
        for name, text in programs.items():
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)

    @property
    def transfers(self) -> list[list[str]]:
        """The words of each rsync so far."""
        log = self.bin / "rsync.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def foreign(self) -> str:
        """The calls of programs that are GNU's."""
        return self._log.read_text() if self._log.exists() else ""
