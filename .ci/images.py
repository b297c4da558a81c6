#!/usr/bin/env python3
"""Make sure that a Docker engine answers and that the rehearsal cloud's images are there."""

from __future__ import annotations

import sys

from toilctl.errors import ToilctlError
from toilctl.local import docker_engine
from toilctl.local.images import Builder


def main() -> None:
    """Make both kinds of nodes' images; at once when nothing changed."""
    try:
        builder = Builder(docker_engine.ensure(print), print)
        for kind in ("prepared", "plain"):
            print(builder.for_hosts(kind))
    except ToilctlError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
