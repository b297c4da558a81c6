"""deploy, as it is typed and as it reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from toilctl.cli.base import command, render
from toilctl.cli.commands import deploy
from toilctl.system import inventory
from toilctl.values.cluster import Cluster
from toilctl.verbs.workflows import deploy as verb
from toilctl.verbs.workflows.deploy import Deployed
from toilctl.workflows.deployment import SourceKind

DONE = Deployed(
    cluster="my", region="us-west-2", name="tallies", kind=SourceKind.PROJECT, path="./tallies", changed=True,
    files=("pyproject.toml", "src/tallies/__init__.py"), sent=("pyproject.toml",), removed=(), native=False,
    on_workers=False, packages={"tabulate": "0.9.0", "tallies": "1.0"}, toil="9.6.0", python="3.11.2",
    commands=("toilctl run my -- tallies aws:us-west-2:tallies-JOBSTORE",),
)  # fmt: skip
CLUSTER = Cluster("my", "us-west-2", "0123abcd", "sg-1", {}, ())


@pytest.fixture
def typed(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Type the command; what a cluster would answer is said beforehand."""
    app = typer.Typer(cls=command.Root, context_settings={"token_normalize_func": command.kebab})
    app.add_typer(deploy.commands)
    # A Typer of one command would be that command.
    app.command("other")(lambda: None)
    monkeypatch.setattr(inventory, "find", lambda *_: CLUSTER)
    monkeypatch.setattr(verb, "carry_out", lambda *_: DONE)
    render.set_output(render.Output.TEXT)
    return lambda *words: CliRunner().invoke(app, ["deploy", *map(str, words)])


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "sort.py"
    path.write_text("")
    return path


def test_result_says_what_came_and_what_to_type(typed: Callable[..., Any], script: Path) -> None:
    said = typed("my", script).stdout.splitlines()
    assert said == [
        "tallies (project) is on my.",
        "  sent      pyproject.toml",
        "  packages  tabulate 0.9.0, tallies 1.0",
        "  Toil      9.6.0 (the appliance's), on Python 3.11.2",
        "",
        "Run it:",
        "  toilctl run my -- tallies aws:us-west-2:tallies-JOBSTORE",
    ]


def test_what_stays_here_is_said_and_how_to_send_it() -> None:
    said = deploy.text(replace(DONE, left_out=(".env", "data/", "keys/my.pem", "x.log")))
    assert "  left out  .env, data/, keys/my.pem and 1 more file (--include sends one)" in said.splitlines()


def test_json_has_all_of_it(typed: Callable[..., Any], script: Path) -> None:
    document = json.loads(typed("my", script, "--output", "json").stdout)
    assert (document["kind"], document["data"]) == ("deploy", render.plain(DONE))
    assert document["data"]["packages"] == {"tabulate": "0.9.0", "tallies": "1.0"}


def test_options_reach_the_plan(
    typed: Callable[..., Any], script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.txt").write_text("tabulate\n")
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels/tabulate-0.9-py3-none-any.whl").write_text("")
    plans: list[verb.DeploymentPlan] = []
    monkeypatch.setattr(verb, "carry_out", lambda plan, *_: plans.append(plan) or DONE)
    typed("my", script, "--name", "flow", "-r", tmp_path / "r.txt", "--wheelhouse", tmp_path / "wheels")
    (plan,) = plans
    assert (plan.deployment.name, plan.deployment.requirements) == ("flow", ("tabulate",))
    assert plan.wheels == ("tabulate-0.9-py3-none-any.whl",)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("missing.py",), 4, "no file or directory 'missing.py'"),
        (("two words",), 4, "no package's name either"),
        (("sort.py", "-r", "missing.txt"), 4, "no file missing.txt"),
        (("sort.py", "--wheelhouse", "missing"), 4, "no directory missing"),
        (("sort.py", "--name", "a b"), 2, "cannot be a deployment's name"),
        (("toil[cwl]", "-r", "r.txt"), 2, "--requirements goes with a script"),
        ((), 2, "PATH"),
    ],
)
def test_what_is_wrong_is_said_before_any_cluster_is_looked_for(
    words: tuple[str, ...],
    code: int,
    text: str,
    typed: Callable[..., Any],
    script: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(script.parent)

    def never(*_: Any) -> None:
        raise AssertionError("a cluster was looked for")

    monkeypatch.setattr(inventory, "find", never)
    result = typed("my", *words)
    assert (result.exit_code, text in result.output) == (code, True), result.output


def test_nothing_to_do_is_said() -> None:
    said = deploy.text(replace(DONE, changed=False, sent=()))
    assert said.startswith("Nothing to do: tallies is on my as it is here.\n")
    assert "sent" not in said


def test_workers_and_what_had_the_name_before_are_mentioned() -> None:
    said = deploy.text(replace(DONE, on_workers=True, replaced="./old"))
    assert "takes the place of ./old" in said
    assert "on each worker, too" in said


def test_long_lists_are_cut() -> None:
    many = {f"package{number}": "1" for number in range(20)}
    commands = tuple(f"toilctl run my -- program{number}" for number in range(7))
    said = deploy.text(replace(DONE, packages=many, commands=commands, sent=tuple("abcde")))
    assert "a, b, c and 2 more files" in said
    assert "package7 1 and 12 more packages" in said
    assert "… and 2 more programs" in said
    assert "program5" not in said


def test_appliance_alone_is_a_usage_error(typed: Callable[..., Any], script: Path) -> None:
    refused = typed("my", script, "--appliance", "mine:8")
    assert refused.exit_code == 2
    assert "--match-appliance" in refused.stderr


def test_match_appliance_deploys_on_the_image_that_is_named(
    typed: Callable[..., Any], script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(
        "toilctl.verbs.workflows.match_appliance.deploy_with", lambda *words: asked.append(words[2]) or DONE
    )
    assert "is on my" in typed("my", script, "--match-appliance", "--appliance", "mine:8").stdout
    assert asked == ["mine:8"]
