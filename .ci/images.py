#!/usr/bin/env python3
"""Make sure that a Docker engine answers and that the rehearsal cloud's images are there."""

from __future__ import annotations

import os
import sys

from toilctl.local.hosts import docker_engine
from toilctl.local.images import mesos_source
from toilctl.local.images.images import Builder
from toilctl.values.errors import ToilctlError


def main() -> None:
    """Make both kinds of nodes' images, and with Mesos if the environment names one; at once when nothing changed."""
    try:
        engine, named = docker_engine.ensure(print), os.environ.get(mesos_source.VARIABLE)
        for mesos in (None, mesos_source.collect(named, print)) if named else (None,):
            builder = Builder(engine, print, mesos=mesos)
            for kind in ("prepared", "plain"):
                print(builder.for_hosts(kind))
    except ToilctlError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
