"""Options of Toil's cluster commands, of every release since 3.5, and what becomes of each: the one table of them.

What toilctl's commands have as options of their own is here for the reference; the rest is translated, left out with a
line that gives the reason, or refused where leaving it out would make another thing than what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from toilctl.nodes.plugin.autoscaling import scaler_options
from toilctl.nodes.plugin.autoscaling.scaler_options import form
from toilctl.values.errors import UsageError
from toilctl.workflows import toil_options

LAUNCH, SSH, RSYNC, DESTROY = "launch-cluster", "ssh-cluster", "rsync-cluster", "destroy-cluster"
COMMANDS: Final = (LAUNCH, SSH, RSYNC, DESTROY)
_SCALING: Final = (LAUNCH, "autoscale")
_AZURE: Final = "it is for Azure, which Toil 3.22 took away"
_LEVELS: Final = "there are two levels here, with --debug and without"
_STDERR: Final = "messages go to stderr, and playbooks' logs below ~/.local/state/toilctl"
_HOST_KEYS: Final = "a node's host key is learned at the first contact, and another one is refused from then on"


class Fate(Enum):
    """What becomes of an option."""

    HERE = "an option of the command's own"
    WRITTEN = "written as another option"
    LEFT_OUT = "left out"
    REFUSED = "refused"


@dataclass(frozen=True)
class ClusterOption:
    """An option of some of Toil's commands."""

    names: tuple[str, ...]
    releases: str
    fate: Fate
    says: str
    """Toilctl's option, or why it is left out or refused."""
    commands: tuple[str, ...] = COMMANDS
    value: bool = True
    """Whether it takes a value."""
    next_step: str = ""
    """Of one that is refused."""


def _here(releases: str, says: str, *names: str, on: tuple[str, ...] = (LAUNCH,)) -> ClusterOption:
    return ClusterOption(names, releases, Fate.HERE, says, on)


def _left_out(
    releases: str, why: str, *names: str, on: tuple[str, ...] = (LAUNCH,), value: bool = True
) -> ClusterOption:
    return ClusterOption(names, releases, Fate.LEFT_OUT, why, on, value)


OPTIONS: Final = (
    _here("3.5 on", "--provisioner", "--provisioner", "-p", on=COMMANDS),
    _here("3.5 on", "--zone", "--zone", "-z", on=COMMANDS),
    _here("5.3 on", "--engine", "--clusterType", "-T"),
    _here("3.11 on", "--leader-node-type", "--leaderNodeType"),
    _here("3.5 to 3.10", "--node-type", "--nodeType"),
    _here("3.11 on", "--node-types", "--nodeTypes"),
    _here("3.8 on", "--workers; a range, such as 0-2, is --min-nodes and --max-nodes", "--workers", "-w"),
    _here("3.5 on", "--key-pair-name", "--keyPairName"),
    _here("3.16 on", "--owner", "--owner"),
    _here("3.6 on", "--tag", "--tag", "-t"),
    _here("3.7 on", "--vpc-subnet", "--vpcSubnet"),
    _here("3.9 on", "--leader-storage", "--leaderStorage"),
    _here("3.9 on", "--node-storage", "--nodeStorage"),
    _here("3.20 on", "--aws-ec2-profile-arn", "--awsEc2ProfileArn"),
    _here("4.0 on", "--aws-ec2-extra-security-group-id", "--awsEc2ExtraSecurityGroupId"),
    _here("7.0 on", "--enable-fuse", "--allowFuse"),
    _left_out("3.15 on", "nodes have the rights of an instance profile, and credentials stay here", "--boto"),
    _left_out("3.16 on", "the appliance is looked up in any case", "--forceDockerAppliance", value=False),
    _left_out("5.9 on", "it is for Google Cloud", "--network"),
    _left_out("5.9 on", "TOILCTL_CONNECT_ADDRESS=private is what connects to private addresses", "--use_private_ip",
              value=False),
    _left_out("3.15 to 3.21", _AZURE, "--azureStorageCredentials"),
    _left_out("3.15 to 3.21", _AZURE, "--publicKeyFile"),
    _left_out("3.9 on", _HOST_KEYS, "--insecure", on=(SSH, RSYNC), value=False),
    ClusterOption(("--sshOption",), "3.18 on", Fate.WRITTEN, "-L where it begins so", (SSH,),
                  next_step="Write anything else in ~/.ssh/config, which is read, too."),
    _left_out("5.4 on", "there is no Grafana; -L 7462 brings the autoscaler's metrics here", "--grafana_port",
              on=(SSH,)),
    _here("3.5 on", "--log-level; DEBUG is --debug", "--logLevel", on=COMMANDS),
    ClusterOption(("--logDebug",), "3.5 on", Fate.WRITTEN, "--debug", value=False),
    *(_left_out("3.5 on", _LEVELS, f"--log{name}", on=COMMANDS, value=False)
      for name in ("Off", "Critical", "Error", "Warning", "Info")),
    _left_out("9.0 on", _LEVELS, "--logTrace", on=COMMANDS, value=False),
    _left_out("3.5 on", _STDERR, "--logFile", on=COMMANDS),
    _left_out("3.5 on", _STDERR, "--rotatingLogging", on=COMMANDS, value=False),
    _left_out("5.2 on", "its messages have no colors", "--logColors", on=COMMANDS),
    _left_out("3.5 on", "TMPDIR is what says where temporary files go", "--tempDirRoot", on=COMMANDS),
    ClusterOption(("--version",), "3.5 on", Fate.REFUSED, "it is an option of the whole program", value=False,
                  next_step="Type `toilctl --version`."),
    ClusterOption((scaler_options.OVERRIDES,), "", Fate.REFUSED, "sizes go with node types here", _SCALING,
                  next_step="Give --node-storage one size per node type, such as 50,300."),
    *(_left_out("", one.why, *one.names, on=_SCALING) for one in scaler_options.OPTIONS if not one.becomes),
)  # fmt: skip
"""Those without releases are the scaler's, which people give to these commands, too."""


def translated(
    command: str, words: Sequence[str], takes_value: Mapping[str, bool], say: Callable[[str], None], *, first: bool
) -> list[str]:
    """Return a command's words without Toil's options that it does not have; those that are left out are told.

    :param takes_value: the command's own options, as ``form`` has long ones, and whether they take a value.
    :param first: whether what stands behind the first word by itself belongs to another program.
    :raises UsageError: for an option that cannot be left out.
    """
    known = {form(name): one for one in OPTIONS if command in one.commands for name in one.names}
    kept: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--" or (first and not toil_options.name_of(word)):
            return [*kept, word, *left]
        name, equals, value = word.partition("=")
        option = known.get(form(name)) if name.startswith("--") else None
        if option is None or option.fate is Fate.HERE:
            kept.append(word)
            if takes_value.get(form(name) if name.startswith("--") else name) and not equals and left:
                kept.append(left.pop(0))
            continue
        taken = [word]
        if option.value and not equals and left and _is_value(option, left[0]):
            value = left.pop(0)
            taken.append(value)
        kept += _instead(option, " ".join(taken), value, say)
    return kept


def _is_value(option: ClusterOption, word: str) -> bool:
    """Tell whether a word belongs to an option: some were flags, and have yes or no behind them today."""
    if option.names[0] in toil_options.SWITCHES:
        return toil_options.truth(word) is not None
    return option.fate is Fate.WRITTEN or not toil_options.name_of(word)


def _instead(option: ClusterOption, typed: str, value: str, say: Callable[[str], None]) -> Iterator[str]:
    if option.fate is Fate.LEFT_OUT:
        say(f"{typed} is left out: {option.says}.")
    elif option.names[0] == "--logDebug":
        yield "--debug"
    elif option.names[0] == "--sshOption" and value.startswith("-L") and value[2:].strip():
        yield from ("-L", value[2:].strip())
    elif option.fate is Fate.WRITTEN:
        raise UsageError(f"{typed} is not carried to ssh.", option.next_step, option=typed)
    else:
        raise UsageError(f"{typed} cannot be given here: {option.says}.", option.next_step, option=typed)
