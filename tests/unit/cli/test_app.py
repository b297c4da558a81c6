from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from toilctl.cli.app import app
from toilctl.cli.base.command import kebab
from toilctl.system import paths

HEAVY = {"boto3", "botocore", "ansible", "ansible_runner", "pydantic", "docker", "moto"}
ASK = (
    "import sys; sys.argv = ['toilctl', *sys.argv[1:]]\n"
    "from toilctl.cli.app import main\n"
    "try: main()\n"
    "except SystemExit as end: assert not end.code, end.code\n"
    "import json; print('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
)


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["--help"], {}),
        (["--version"], {}),
        ([], {"_TOILCTL_COMPLETE": "complete_bash", "COMP_WORDS": "toilctl launch-cluster my --no", "COMP_CWORD": "3"}),
        ([], {"_TOILCTL_COMPLETE": "complete_bash", "COMP_WORDS": "toilctl describe-cluster m", "COMP_CWORD": "2"}),
    ],
    ids=["help", "version", "option completion", "name completion"],
)
def test_help_version_and_completion_import_nothing_heavy(words, environment):
    run = subprocess.run(
        [sys.executable, "-c", ASK, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(run.stdout.splitlines()[-1]))
    assert loaded & HEAVY == set()


def test_completion_knows_options_and_clusters_seen_before(home, monkeypatch):
    known = paths.cluster_dir("us-west-2", "my-cluster") / "known_hosts"
    known.parent.mkdir(parents=True)
    known.touch()
    assert "--node-types" in _complete("toilctl launch-cluster x --node-ty")
    assert "my-cluster" in _complete("toilctl describe-cluster m")


def _complete(line):
    environment = {"_TOILCTL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    code = "from toilctl.cli.app import main; import sys; sys.argv = ['toilctl']; main()"
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("leaderNodeType", "leader-node-type"),
        ("awsEc2ProfileArn", "aws-ec2-profile-arn"),
        ("awsEc2ExtraSecurityGroupId", "aws-ec2-extra-security-group-id"),
        ("preemptableNodeType", "preemptible-node-type"),
        ("node_types", "node-types"),
        ("vpcSubnet", "vpc-subnet"),
        ("z", "z"),
        ("T", "T"),
    ],
)
def test_toils_spellings(theirs, ours):
    assert kebab(theirs) == ours


def test_help_shows_the_defaults_of_the_shared_variables(toilctl):
    shown = toilctl("launch-cluster", "--help").stdout
    assert "[default: t2.medium]" in shown
    assert "[default: mesos]" in shown


def test_every_command_has_the_common_options(toilctl):
    for verb in ("launch-cluster", "list-clusters", "describe-cluster", "scale-cluster", "destroy-cluster"):
        shown = toilctl(verb, "--help").stdout
        for option in ("--output", "--debug", "--provisioner", "--help"):
            assert option in shown, (verb, option)


def commands(of, *before):
    for name, one in of.commands.items():
        yield (*before, name)
        if hasattr(one, "commands"):
            yield from commands(one, *before, name)


@pytest.mark.parametrize("words", [*commands(typer.main.get_command(app))], ids=" ".join)
def test_help_names_no_python_type(toilctl, words):
    shown = toilctl(*" ".join(words).split(), "--help").stdout
    assert re.findall(r"<(?:parse\w*|str|path|int|float|bool|text|function)>", shown) == []


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("scale-cluster", "[OPTIONS] NAME"),
        ("ssh-cluster", "[OPTIONS] NAME [COMMAND]..."),
        ("rsync-cluster", "[OPTIONS] NAME ARGS..."),
        ("run", "[OPTIONS] NAME [-- COMMAND...]"),
        ("logs", "[OPTIONS] NAME [RUN]"),
        ("autoscale", "[OPTIONS] NAME [pause|resume]"),
        ("autoscale simulate", "[OPTIONS] TRACE..."),
        ("local fault", "[OPTIONS] [NAME] [KEY=VALUE]..."),
    ],
)
def test_usage_says_which_words_may_be_left_out_and_which_repeated(toilctl, words, usage):
    (line,) = [line for line in toilctl(*words.split(), "--help").stdout.splitlines() if "Usage:" in line]
    assert line.split(f"{words} ")[1].strip() == usage


def test_package_is_the_program():
    run = subprocess.run([sys.executable, "-m", "toilctl", "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("toilctl ")


def test_ansible_dir_has_the_playbooks(toilctl):
    assert (Path(toilctl("ansible-dir").stdout.strip()) / "playbooks" / "configure.yml").exists()


def test_version(toilctl):
    assert toilctl("--version").stdout.startswith("toilctl ")


def test_unknown_command_says_so(toilctl):
    result = toilctl("lauch-cluster")
    assert result.exit_code == 2
    assert "lauch-cluster" in result.stderr


def test_unforeseen_errors_are_one_sentence_and_with_debug_a_traceback(toilctl, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("the sky is falling")

    monkeypatch.setattr("toilctl.system.inventory.regions_to_search", broken)
    calm = toilctl("list-clusters")
    assert (calm.exit_code, "Traceback" in calm.stderr) == (1, False)
    assert "the sky is falling" in calm.stderr
    assert "Traceback" in toilctl("list-clusters", "--debug").stderr


def test_ctrl_c_is_130_with_a_next_step(toilctl, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("toilctl.system.inventory.regions_to_search", interrupted)
    result = toilctl("list-clusters")
    assert result.exit_code == 130
    assert "again" in result.stderr


def test_usage_errors_are_json_when_asked(toilctl):
    answer = toilctl.json("describe-cluster", "a_b")
    assert answer["error"]["code"] == "usage"
    assert answer["schema"] == 1


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_terminal_without_utf_8_gets_question_marks_and_no_error(encoding):
    code = "from toilctl.cli.app import main; import sys; sys.argv = ['toilctl', 'launch-cluster', '--help']; main()"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    environment["PYTHONIOENCODING"] = f"{encoding}:strict"
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert "--node-types" in run.stdout.decode(encoding)


@pytest.mark.parametrize("verb", [["list-clusters"], ["destroy-cluster", "c", "-z", "us-west-2a"]])
def test_without_a_network_every_verb_ends_with_9_and_a_next_step(toilctl, monkeypatch, verb):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    for name, value in {
        "ACCESS_KEY_ID": "AKIA",
        "SECRET_ACCESS_KEY": "x",
        "ENDPOINT_URL": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    result = toilctl(*verb)
    assert (result.exit_code, result.stderr.count("\n")) == (9, 2), result.stderr
    error = toilctl.json(*verb)["error"]
    assert (error["code"], "AWS_ENDPOINT_URL" in error["next_step"]) == ("host", True)


def test_credentials_with_a_stray_space_are_one_sentence_also_as_json(toilctl, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE ")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert toilctl("list-clusters").exit_code == 3
    assert toilctl.json("list-clusters")["error"]["code"] == "credentials"
