"""Toil's plugin for toilctl's clusters.

Toil imports every top-level module named ``toil_batch_system_*``. This one replaces the built-in ``slurm`` and
``mesos`` batch systems by subclasses, so that users keep their flags, and lets Toil start no scaler of its own. In a
run of toilctl's, it lets workflows tell of themselves. With a Toil that it does not know, it leaves the built-in as it
is and says so once.
"""

from __future__ import annotations

from toilctl_plugin import known_toil, people_tags
from toilctl_plugin.autoscaling import handed_over, typed
from toilctl_plugin.batch_systems.mesos import mesos_batch_system
from toilctl_plugin.batch_systems.registry import replace_batch_system
from toilctl_plugin.batch_systems.slurm import slurm_batch_system
from toilctl_plugin.publication import run


def _register() -> None:
    run.install()
    people_tags.install()
    try:
        replace_batch_system("slurm", slurm_batch_system)
        replace_batch_system("mesos", mesos_batch_system)
    except ImportError:
        known_toil.warn(["add_batch_system_factory"], "its batch systems stay as they are")
        return
    handed_over.install()
    typed.install()


_register()
