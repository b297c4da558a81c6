"""Where a run's command runs, with what environment, and whether its program is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from toilctl_plugin.publication import run
from toilctl_plugin.regular_files import open_regular

from .. import places
from ..deployments import deployment as deployed
from ..deployments.deployment import Place
from ..refused import RefusedError

OF_TERMINALS = ("TMUX", "TMUX_PANE", "STY", "WINDOW", "COLUMNS", "LINES", "OLDPWD", "SHLVL", "_")
"""Variables that speak of the process that asked for the run."""
PYTHONS, SHELLS = ("python", "pypy"), ("bash", "sh", "dash")
_TAKE_A_VALUE = ("-W", "-X", "-O", "-o", "--rcfile", "--init-file", "--check-hash-based-pycs")
_NO_SCRIPT = "cms"
"""Options of interpreters behind which no script's name comes."""
SHOWN = 8


def deployment_named(name: str) -> Place | None:
    """Return a deployment; an empty name is none.

    :raises RefusedError: when there is none of that name.
    """
    names = [str(one["name"]) for one in deployed.documents()]
    if not name or name in names:
        return Place(name) if name else None
    raise RefusedError(
        "not-found", f"There is no deployment {name!r}.",
        f"There are: {', '.join(sorted(names))}." if names
        else f"There is none yet: toilctl deploy {places.cluster()} PATH",
        deployments=names,
    )  # fmt: skip


def deployment_for(
    name: str | None, argv: Sequence[str], extra: Mapping[str, str]
) -> tuple[Place | None, str, tuple[str, ...]]:
    """Return the named deployment, else the newest one that has what is to be run.

    With it, where that is not the one deployed last, come that one's name and those of older ones that have it, too.

    :raises RefusedError: when there is none of that name.
    """
    if name is not None:
        return deployment_named(name), "", ()
    newest = next((Place(str(one["name"])) for one in deployed.documents()), None)
    found = deployments_with(argv, extra)
    if newest is None or not found or found[0] == newest:
        return newest, "", ()
    return found[0], newest.name, tuple(one.name for one in found[1:])


def deployments_with(argv: Iterable[str], extra: Mapping[str, str]) -> list[Place]:
    """Return the deployments that have a command's program, script or module, the one deployed last first."""
    known = [Place(str(one["name"])) for one in deployed.documents()]
    return [one for one in known if _has(one, list(argv), extra)]


def _has(place: Place, argv: list[str], extra: Mapping[str, str]) -> bool:
    cwd = working_directory(None, place)
    try:
        check_program(argv, variables(extra, place, Path(), cwd, ()), cwd)
    except RefusedError:
        return False
    module = (_module(argv) or "").partition(".")[0]
    return not module or any(
        (where / f"{module}{end}").exists()
        for where in (cwd, *place.venv.glob("lib/python*/site-packages"))
        for end in ("", ".py")
    )


def shared_directories(asked: Iterable[str]) -> tuple[str, ...]:
    """Return the directories that all nodes see: those that were asked for, and the one that the cluster has."""
    return tuple(dict.fromkeys(filter(None, (*asked, *os.environ.get(run.SHARED, "").split(":")))))


def working_directory(cwd: str | None, deployment: Place | None) -> Path:
    """Return where a command starts.

    :param cwd: where it started before; None when it did not.
    :raises RefusedError: when that directory is not there any more.
    """
    if cwd is None:
        return deployment.source if deployment and deployment.source.is_dir() else Path.home()
    if Path(cwd).is_dir():
        return Path(cwd).absolute()
    raise RefusedError(
        "not-found", f"There is no directory {cwd} on the leader.",
        "Make it there again, or start anew without --restart.", directory=cwd,
    )  # fmt: skip


def variables(
    extra: Mapping[str, str], deployment: Place | None, directory: Path, cwd: Path, shared: Iterable[str]
) -> dict[str, str]:
    """Return a command's environment: this container's, with a virtualenv activated and the run named.

    :param directory: the run's.
    """
    found = {name: value for name, value in os.environ.items() if name not in OF_TERMINALS}
    if deployment and (deployment.venv / "bin").is_dir():
        found["VIRTUAL_ENV"] = str(deployment.venv)
        found["PATH"] = f"{deployment.venv}/bin{os.pathsep}{found.get('PATH', os.defpath)}"
        found.pop("PYTHONHOME", None)
    return {
        **found, **extra, "PWD": str(cwd), "PYTHONUNBUFFERED": "1",
        run.RUN: str(directory), run.SHARED: ":".join(shared),
    }  # fmt: skip


def check_program(argv: Iterable[str], environment: Mapping[str, str], cwd: Path) -> str:
    """Return the path of a command's program.

    :raises RefusedError: when it is not there, or is given a script that is not.
    """
    program, *arguments = _without_env(list(argv))
    path = _found(program, environment, cwd)
    if path is None:
        raise _no_program(program, cwd)
    script = _script(Path(program).name, arguments)
    if script and not (cwd / script).exists():
        raise RefusedError(
            "not-found", f"There is no {script} in {cwd} on the leader.", _there(cwd, Path(script).suffix), cwd=str(cwd)
        )
    return path


def called(argv: Iterable[str]) -> str:
    """Return the name of a command's program: its script's or module's, where an interpreter runs it."""
    program, *arguments = _without_env(list(argv))
    module = _module(argv)
    return module.replace(".", "-") if module else Path(_script(Path(program).name, arguments) or program).stem


def interpreter_of(program: str) -> str | None:
    """Return the Python that runs a program: itself, or the one in its first line."""
    if Path(program).name.startswith(PYTHONS):
        return program
    try:
        with open_regular(program, follow=True) as opened:
            first = opened.readline(512)
    except OSError:
        return None
    words = first[2:].decode(errors="replace").split() if first.startswith(b"#!") else []
    return words[0] if words and Path(words[0]).name.startswith(PYTHONS) else None


def _without_env(argv: list[str]) -> list[str]:
    """Leave out ``env`` and the variables that it sets; with options, it is the program itself."""
    rest = argv
    if Path(argv[0]).name == "env":
        rest = argv[1:]
        while rest and "=" in rest[0] and not rest[0].startswith("-"):
            rest = rest[1:]
    return rest if rest and not rest[0].startswith("-") else argv


def _found(program: str, environment: Mapping[str, str], cwd: Path) -> str | None:
    if "/" in program:
        path = cwd / program
        return str(path) if path.is_file() and os.access(path, os.X_OK) else None
    return shutil.which(program, path=environment.get("PATH", os.defpath))


def _script(interpreter: str, arguments: list[str]) -> str | None:
    if not interpreter.startswith(PYTHONS) and interpreter not in SHELLS:
        return None
    words = iter(arguments)
    for word in words:
        if not word.startswith(("-", "+")):
            return word
        # Short options may be put together, and with a value: -uc, -mpackage.
        if word == "-" or (word[1] != "-" and (word[1] in _NO_SCRIPT or word[-1] in _NO_SCRIPT)):
            return None
        if word in _TAKE_A_VALUE:
            next(words, None)
    return None


def _module(argv: Iterable[str]) -> str | None:
    """Return the module that Python is to run."""
    program, *arguments = _without_env(list(argv))
    interpreter = Path(program).name
    if not interpreter.startswith(PYTHONS) or "-m" not in arguments[:-1] or _script(interpreter, arguments):
        return None
    return arguments[arguments.index("-m") + 1]


def _no_program(program: str, cwd: Path) -> RefusedError:
    cluster, path = places.cluster(), cwd / program
    message = f"There is no program {program!r} on the leader, in the run's PATH."
    if path.is_file() and path.suffix == ".py":
        return RefusedError("not-found", message, f"It lies in {path.parent}; write: python {program}", program=program)
    if path.is_file():
        message = f"The program {program!r} lies in {path.parent}, which is not in the run's PATH."
        if "/" in program:
            message = f"The program {path} is not executable."
        return RefusedError("not-found", message, f"Write: bash {program}, or ./{path.name}", program=program)
    return RefusedError(
        "not-found", message,
        f"Bring it with its virtualenv: toilctl deploy {cluster} PATH, or look there: toilctl ssh-cluster {cluster}",
        program=program,
    )  # fmt: skip


def _there(cwd: Path, suffix: str) -> str:
    """Return what lies where a script does not, and how to bring it."""
    how = f"Bring it with: toilctl deploy {places.cluster()} PATH"
    try:
        names = sorted(entry.name for entry in cwd.iterdir() if not entry.name.startswith("."))
    except OSError:
        return f"The directory itself is not there. {how}"
    names = [name for name in names if name.endswith(suffix)] or names
    if not names:
        return f"Nothing lies there. {how}"
    more = ", …" if len(names) > SHOWN else ""
    return f"There are {', '.join(names[:SHOWN])}{more}. {how}"
