"""Commands with the options that all of them have, their errors, and the defaults that their help shows."""

from __future__ import annotations

import copy
import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TextIO, cast

import typer
from typer.core import TyperCommand, TyperGroup

from toilctl.cli.base import render, streams
from toilctl.system import paths, progress
from toilctl.values.errors import HostError, Interrupted, ToilctlError, UsageError
from toilctl.verbs.provisioner import Provisioner, ProvisionerName

PANEL = "Common"

DebugOption = Annotated[bool, typer.Option("--debug", help="Show what goes on, and tracebacks.", rich_help_panel=PANEL)]
OutputOption = Annotated[
    render.Output | None,
    typer.Option("--output", help="How to write the result; progress goes to stderr.", show_default="text",
                 rich_help_panel=PANEL),
]  # fmt: skip
ProvisionerOption = Annotated[
    ProvisionerName,
    typer.Option("--provisioner", "-p", envvar="TOILCTL_PROVISIONER", rich_help_panel=PANEL,
                 help="Where the cluster is: AWS, or the rehearsal cloud on this machine (toilctl local up)."),
]  # fmt: skip
LogLevelOption = Annotated[str | None, typer.Option("--log-level", hidden=True)]
"""Toil's; DEBUG counts as --debug, the rest as nothing."""

_current = {"provisioner": Provisioner()}
_trouble: dict[str, HostError | None] = {"cloud": None}


def provisioner() -> Provisioner:
    """Return the provisioner that this command line chose."""
    return _current["provisioner"]


def no_cloud() -> HostError | None:
    """Return why the cloud that this command line chose cannot be asked, for commands that go on without."""
    return _trouble["cloud"]


def command(
    app: typer.Typer, name: str, *, with_provisioner: bool = True, needs_cloud: bool = True, **settings: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a command to ``app``, with --debug, --output and (unless it never speaks to a cloud) --provisioner.

    One that does not need the cloud looks at ``no_cloud()``. ``settings`` are ``typer.Typer.command``'s. The function
    does not see these options: ``render.show`` and ``provisioner()`` follow them.
    """

    def add(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(
            *args: Any,
            debug: bool = False,
            output: render.Output | None = None,
            log_level: str | None = None,
            **own: Any,
        ) -> None:
            chosen = own.pop("provisioner", None)
            _set_up(debug or (log_level or "").upper() == "DEBUG", output)
            with _interruptible():
                _current["provisioner"], _trouble["cloud"] = _select(chosen, needs_cloud)
                function(*args, **own)

        _add_parameters(run, function, with_provisioner)
        app.command(name, cls=Command, **settings)(run)
        return function

    return add


SEPARATED = "toilctl.separated"
"""In a context's ``meta``: whether the command line has a ``--``."""


class Command(TyperCommand):
    """A command whose help shows the defaults that the playbooks' variables have."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words, and remember whether some were set apart."""
        ctx.meta[SEPARATED] = "--" in args
        parsed: list[str] = super().parse_args(ctx, args if ctx.resilient_parsing else self._with_toils(args))
        return parsed

    def _with_toils(self, args: list[str]) -> list[str]:
        """Translate options of Toil's that the command does not have."""
        from toilctl.nodes.plugin.autoscaling import scaler_options
        from toilctl.workflows import cluster_options

        own = {
            scaler_options.form(name) if name.startswith("--") else name: not getattr(one, "is_flag", False)
            for one in self.params
            for name in (*one.opts, *one.secondary_opts)
        }
        return cluster_options.translated(
            str(self.name),
            args,
            own,
            progress.note,
            first=not self.context_settings.get("allow_interspersed_args", True),
        )

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Read the shared defaults only now, when somebody looks."""
        from toilctl.system import variables

        defaults = variables.shown_defaults()
        for parameter in self.params:
            if parameter.default is None and parameter.name is not None:
                parameter.default = defaults.get(parameter.name)
            if parameter.param_type_name == "argument":
                parameter.type = _without_name(parameter.type)
        super().format_help(ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line: ``NAME``, ``[RUN]``, ``FILE...``, ``[COMMAND]...``."""
        arguments = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return [self.options_metavar or "", *map(usage, arguments)]


def usage(argument: Any) -> str:
    """Return an argument as a usage line has it; one whose metavar has brackets says all itself."""
    name: str = argument.human_readable_name
    if "[" in name:
        return name
    return f"{name if argument.required else f'[{name}]'}{'...' if argument.nargs == -1 else ''}"


def _without_name(kind: Any) -> Any:
    """Return a type that help does not name: an argument's own name says more than ``<parse>`` or ``<str>``."""
    nameless = copy.copy(kind)
    nameless.get_metavar = lambda *_, **__: ""
    return nameless


class Root(TyperGroup):
    """The whole program: errors become one sentence and an exit code, here and nowhere else."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command of a line; the name of one may have two words, as ``autoscale simulate``."""
        two_words = " ".join(args[:2])
        found = self.get_command(ctx, two_words)
        return (two_words, found, args[2:]) if found else super().resolve_command(ctx, args)

    def main(self, args: Any = None, *rest: Any, **extra: Any) -> Any:
        """Run a command line."""
        words = list(sys.argv[1:] if args is None else args)
        streams.open_closed()
        before = sys.stdout, sys.stderr
        out = streams.Watched(sys.stdout)
        sys.stdout = cast(TextIO, out)
        progress.set_debug(False)
        _set_up("--debug" in words, _guess_output(words))
        try:
            code, error = self._run(words, *rest, **extra)
            sys.stdout, sys.stderr = cast(TextIO, out), before[1]
            code = _end(out, error, code)
        finally:
            sys.stdout = before[0]
        sys.exit(code)

    def _run(self, words: list[str], *rest: Any, **extra: Any) -> tuple[int, BaseException | None]:
        extra["standalone_mode"] = False
        try:
            code = super().main(words, *rest, **extra)
        except Exception as error:
            return 0, error
        except SystemExit as end:
            # Typer makes an exit of any broken pipe, and hides what it was.
            if isinstance(end.__context__, OSError):
                return 0, end.__context__
            code = end.code
        return code if isinstance(code, int) else 0, None


def _end(out: streams.Watched, error: BaseException | None, code: int) -> int:
    """Say what went wrong, if anything did; return the exit code."""
    if error and progress.debugging():
        import traceback

        traceback.print_exception(error)
    progress.clear()
    lost = out.trouble()
    if error and not (lost and isinstance(error, OSError)):
        known = _known(error)
        code = known.exit_code
        render.show_error(known)
        lost = out.trouble()
        if lost:
            render.set_output(render.Output.TEXT)
            render.show_error(known)
    if lost:
        render.set_output(render.Output.TEXT)
        render.show_error(lost)
        code = code or lost.exit_code
    streams.settle()
    return code


def kebab(name: str) -> str:
    """Return our spelling of an option: Toil's is camelCase, and in older versions says preemptable."""
    if len(name) == 1:
        return name
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).replace("_", "-")
    return words.lower().replace("preemptable", "preemptible")


def parsed_by(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Turn a value's own parser into one whose errors name the flag."""

    @functools.wraps(parse)
    def parser(text: Any) -> Any:
        if not isinstance(text, str):
            return text
        try:
            return parse(text)
        except UsageError as error:
            raise typer.BadParameter(str(error)) from error

    return parser


def _set_up(debug: bool, output: render.Output | None) -> None:
    progress.set_debug(debug or progress.debugging())
    if output is not None:
        render.set_output(output)


def _select(name: ProvisionerName | None, needed: bool) -> tuple[Provisioner, HostError | None]:
    from toilctl.verbs import provisioner as provisioners

    try:
        return Provisioner() if name is None else provisioners.select(name), None
    except HostError as error:
        if needed:
            raise
        return Provisioner(), error


def _guess_output(words: list[str]) -> render.Output:
    """Tell how to report an error in a command line that could not be read."""
    asked = re.search(r"(^|\0)--output[=\0]json(\0|$)", "\0".join(words))
    return render.Output.JSON if asked else render.Output.TEXT


def _add_parameters(run: Callable[..., None], function: Callable[..., None], with_provisioner: bool) -> None:
    common: dict[str, tuple[Any, Any]] = {"output": (OutputOption, None), "debug": (DebugOption, False)}
    if with_provisioner:
        common = {"provisioner": (ProvisionerOption, ProvisionerName.AWS), **common}
    common["log_level"] = (LogLevelOption, None)
    signature = inspect.signature(function, eval_str=True)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in common.items()
    ]
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    run.__annotations__ = {name: parameter.annotation for name, parameter in run.__signature__.parameters.items()}  # type: ignore[attr-defined]


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn Ctrl-C into an error with a next step, unless what was interrupted knows a better one."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("Stopped.", "Type the same command again to go on from here.") from None


def _known(error: BaseException) -> ToilctlError:
    if isinstance(error, ToilctlError):
        return error
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "toilctl"
        return UsageError(error.format_message(), f"Try '{path} --help'.")
    if isinstance(error, typer.Abort):
        return Interrupted("There was no answer.", "Type the same command again, where somebody can answer.")
    if isinstance(error, Exception) and "botocore" in sys.modules:
        from toilctl.system import aws

        explained = aws.explain(error)
        if explained:
            return explained
    if unwritable := paths.explain(error):
        return unwritable
    summary = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return ToilctlError(f"Something unforeseen went wrong: {summary}", "Add --debug to see where.")
