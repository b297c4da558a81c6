"""The runner with real, small playbooks."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
import yaml

from toilctl.system import ansible_environment, paths, playbooks, variables
from toilctl.values.errors import CapacityError, CredentialsError, Interrupted, PartialError, PlaybookError

TARGET = playbooks.PlaybookTarget("us-west-2", "c")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., playbooks.PlaybookResult]:
    """Run tasks on localhost, one play per argument, as if they were a playbook of ours."""
    variables.defaults()  # read once per process, from where toilctl's own playbooks are
    root = tmp_path / "ansible"
    (root / "playbooks").mkdir(parents=True)
    (root / "inventory").mkdir()
    (root / "inventory" / "hosts.ini").write_text("[none]\n")
    (root / "ansible.cfg").write_text("[defaults]\nlocalhost_warning = False\n")
    monkeypatch.setattr(paths, "ansible_dir", lambda: root)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    # As with .venv/bin/toilctl: the directory of ansible-playbook is not on PATH.
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    def start(*plays: list[dict[str, object]], variables: dict[str, object] | None = None) -> playbooks.PlaybookResult:
        written = [
            {"name": f"Play {number}", "hosts": "localhost", "gather_facts": False, "tasks": tasks}
            for number, tasks in enumerate(plays)
        ]
        (root / "playbooks" / "try.yml").write_text(yaml.safe_dump(written))
        return playbooks.run("try.yml", TARGET, variables or {}, intent="x", resume="Go on like this.")

    return start


def test_variables_arrive_and_data_comes_back(run):
    names = " ".join(f"{{{{ lookup('env', 'TOILCTL_{name}') }}}}" for name in ("CLUSTER", "REGION", "INTENT"))
    result = run(
        [{"ansible.builtin.set_stats": {"data": {"types": "{{ types }}", "names": names}}}],
        variables={"types": ["c4.8xlarge:0.6"]},
    )
    assert result.succeeded
    assert result.data == {"types": ["c4.8xlarge:0.6"], "names": "c us-west-2 x"}


def test_variables_are_data_and_never_templates(run, tmp_path):
    """A cluster's tags, which others may write, are among them."""
    made = tmp_path / "made"
    hostile = f"{{{{ lookup('pipe', 'touch {made}') }}}} {{% if 1 %}}\u2028\U0001f600"
    given = {"plain": hostile, "within": {"a": [hostile, 1, None, True]}}
    result = run(
        [{"ansible.builtin.set_stats": {"data": {"plain": "{{ plain }}", "within": "{{ within }}"}}}], variables=given
    )
    assert (result.succeeded, result.data, made.exists()) == (True, given, False)


def test_playbook_has_the_credentials_that_were_found_and_they_are_in_no_file(run, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    config = tmp_path / "config"
    config.write_text("[profile nobody]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    names = " ".join(f"{{{{ lookup('env', 'AWS_{name}') }}}}" for name in ("PROFILE", "ACCESS_KEY_ID", "CONFIG_FILE"))
    found = {"ansible.builtin.command": f"grep -rl a-[s]ecret {tmp_path}", "register": "found", "failed_when": False}
    result = run([found, {"ansible.builtin.set_stats": {"data": {"env": names, "files": "{{ found.stdout }}"}}}])
    assert result.data == {"env": f" AKIAIOSFODNN7EXAMPLE {os.devnull}", "files": ""}
    assert "a-secret" not in result.log.read_text()


def test_inventory_that_ec2_does_not_give_has_ec2s_reason(tmp_path):
    said = "An error occurred (RequestExpired) when calling the DescribeInstances operation: Request has expired."
    result = playbooks._Events(tmp_path / "log")
    for text in (
        f"[WARNING]: Failed to parse inventory with 'auto' plugin: Failed to describe instances: {said}\nOrigin: x",
        "[ERROR]: Completely failed to parse inventory source cluster.aws_ec2.yml",
    ):
        result.handle({"event": "verbose", "stdout": text})
    assert result.reason == f"Failed to describe instances: {said}"


def test_credentials_that_expire_while_it_goes_on_are_one_sentence(run):
    said = "An error occurred (RequestExpired) when calling the RunInstances operation: Request has expired."
    with pytest.raises(CredentialsError, match=r"expired before the playbook was done\. Renew them\. Go on like this"):
        run([{"ansible.builtin.fail": {"msg": said}}])


def test_failures_are_those_that_no_rescue_put_right_and_name_task_host_and_reason(run):
    result = run(
        [
            {"block": [{"ansible.builtin.command": "false"}], "rescue": [{"ansible.builtin.debug": {"msg": "fine"}}]},
            {"ansible.builtin.command": "false", "ignore_errors": True},
            {"name": "Break", "ansible.builtin.command": "sh -c 'echo no disk >&2; exit 1'"},
        ]
    )
    assert [(failure.host, failure.task, failure.message) for failure in result.failures] == [
        ("localhost", "Break", "no disk")
    ]
    with pytest.raises(PlaybookError, match="'Break' failed on localhost: no disk") as raised:
        playbooks.raise_failure(result)
    assert str(result.log) in raised.value.next_step
    assert "TASK [Break]" in result.log.read_text()
    assert result.log.stat().st_mode & 0o077 == 0


def test_error_that_a_module_names_becomes_its_class(run):
    error = {
        "code": "capacity",
        "message": "No t2.micro left.",
        "next_step": "Wait.",
        "facts": {"zone": "us-west-2a", "result": "a node's"},
    }
    result = run([{"ansible.builtin.fail": {"msg": "x"}}])
    named = playbooks.PlaybookResult(False, (playbooks.Failure("h", "t", "m", False, error),), {}, result.log)
    with pytest.raises(CapacityError, match=r"No t2\.micro left\. Wait\.") as raised:
        playbooks.raise_failure(named)
    assert raised.value.facts["zone"] == "us-west-2a"
    assert "result" not in raised.value.facts


def test_what_waits_until_nodes_are_idle_is_all_that_is_lacking_or_comes_after_the_failure(run):
    said = "1 node is busy, so these changes wait: i-1 (a job of Slurm): the container. Run this again when it is not."
    waits = [
        {"ansible.builtin.set_stats": {"data": {"waiting": {"i-1": ["the container"]}}}},
        {"name": "Say what waits", "ansible.builtin.fail": {"msg": said}},
    ]
    with pytest.raises(PartialError, match=r"the container\. Type the same command again when nothing runs") as raised:
        playbooks.raise_failure(run(waits))
    assert raised.value.facts["waiting"] == {"i-1": ["the container"]}
    other = playbooks.Failure("i-2", "Break", "no disk", unreachable=False)
    with pytest.raises(PlaybookError, match="no disk"):
        playbooks.raise_failure(playbooks.PlaybookResult(False, (other,), raised.value.facts, Path()))


def test_playbook_that_cannot_start_says_why(run):
    result = run([{"no.such.module": {}}])
    with pytest.raises(PlaybookError, match=r"could not start: .*no\.such\.module"):
        playbooks.raise_failure(result)


def test_playbook_that_dies_without_an_error_of_ansibles_tells_its_last_words(run, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    (tmp_path / "ansible-playbook").write_text("#!/bin/sh\necho starting; echo no more processes; exit 1\n")
    (tmp_path / "ansible-playbook").chmod(0o755)
    with pytest.raises(PlaybookError, match=r"could not start: no more processes "):
        playbooks.raise_failure(run([]))


NOWHERE = (
    "VAULT_PASSWORD_FILE", "ROLES_PATH", "HOME", "COLLECTIONS_PATH", "LIBRARY", "CALLBACK_PLUGINS", "FILTER_PLUGINS",
    "VARS_PLUGINS", "CONNECTION_PLUGINS", "ACTION_PLUGINS", "LOCAL_TEMP", "INVENTORY", "CONFIG", "PYTHON_INTERPRETER",
    "PRIVATE_KEY_FILE", "SSH_EXECUTABLE",
)  # fmt: skip
ELSEWHERE = {
    **dict.fromkeys(NOWHERE, "/nowhere"),
    "STRATEGY": "debug", "STDOUT_CALLBACK": "none", "INVENTORY_ENABLED": "none", "BECOME": "true",
    "BECOME_USER": "nobody", "BECOME_ASK_PASS": "true", "BECOME_METHOD": "runas", "ASK_PASS": "true",
    "ASK_VAULT_PASS": "true", "RUN_TAGS": "deploy", "SKIP_TAGS": "all", "TASK_TIMEOUT": "1", "TRANSPORT": "paramiko",
    "REMOTE_USER": "nobody", "REMOTE_PORT": "1", "HOST_KEY_CHECKING": "false",
    "SSH_ARGS": "-o None=no", "SSH_COMMON_ARGS": "-o None=no", "FORKS": "none",
    "GATHERING": "smart", "VERBOSITY": "9", "MAX_DIFF_SIZE": "none",
}  # fmt: skip
"""What the ANSIBLE_* variables of some person may be."""


def test_ansible_variables_of_the_user_change_nothing(run, monkeypatch):
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(f"ANSIBLE_{name}", value)
    for name, value in {"LC_ALL": "xx_XX.ISO-8859-1", "LANGUAGE": "xx", "AWS_URL": "http://x", "JOB_ID": "x"}.items():
        monkeypatch.setenv(name, value)
    tasks = [
        {"ansible.builtin.shell": "env; sleep 2", "register": "said"},
        {"ansible.builtin.set_stats": {"data": {"lines": "{{ said.stdout_lines }}"}}},
    ]
    result = run(tasks)
    assert result.succeeded, result.reason
    there = dict(line.split("=", 1) for line in result.data["lines"] if "=" in line)
    assert there["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert there["LC_ALL"] == ansible_environment._LOCALE
    assert not {"LANGUAGE", "AWS_URL", "JOB_ID"} & set(there)
    left = {name for name, value in ELSEWHERE.items() if there.get(f"ANSIBLE_{name}") == value}
    assert left == set()
    # What is there has been set: by toilctl, or by ansible-runner.
    assert {name for name in there if name.startswith("ANSIBLE_")} <= {
        "ANSIBLE_CONFIG", "ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME",
        "ANSIBLE_SSH_CONTROL_PATH_DIR", "ANSIBLE_CALLBACK_PLUGINS", "ANSIBLE_STDOUT_CALLBACK",
        "ANSIBLE_RETRY_FILES_ENABLED", "ANSIBLE_CACHE_PLUGIN", "ANSIBLE_CACHE_PLUGIN_CONNECTION",
    }  # fmt: skip
    assert not Path(there["ANSIBLE_HOME"]).exists()


@pytest.mark.parametrize("debug", [True, False])
def test_debug_lets_the_log_have_what_ansible_will_not_do_for_ever(run, monkeypatch, debug):
    monkeypatch.setattr("toilctl.system.progress.debugging", lambda: debug)
    shown = "{{ lookup('ansible.builtin.config', 'DEPRECATION_WARNINGS') }}"
    config = paths.ansible_dir() / "ansible.cfg"
    config.write_text(config.read_text() + "deprecation_warnings = False\n")
    result = run([{"ansible.builtin.set_stats": {"data": {"shown": shown}}}])
    assert bool(result.data["shown"]) is debug


def test_secrets_of_no_log_tasks_are_not_in_the_log(run):
    result = run([{"ansible.builtin.command": "echo s3cret", "no_log": True}])
    assert result.succeeded
    assert "s3cret" not in result.log.read_text()


def test_ctrl_c_stops_the_playbook_and_all_its_processes(run, tmp_path):
    mark = tmp_path / "started"
    marked = f"sh -c 'touch {mark}; exec sleep 91.25'"

    def interrupt() -> None:
        while not mark.exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    start = time.monotonic()
    with pytest.raises(Interrupted, match=r"Go on like this\."):
        run([{"name": "Sleep", "ansible.builtin.command": marked}])
    assert time.monotonic() - start < 60
    assert "91.25" not in subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_several_threads_run_playbooks_at_once_each_with_its_own_events_and_log(run, capfd, monkeypatch):
    spawn, alone, forks = pexpect.spawn, threading.Lock(), []

    def one_at_a_time(*words, **options):
        # filelock, where it is imported, refuses all others.
        forks.append(alone.acquire(blocking=False))
        time.sleep(0.2)
        try:
            return spawn(*words, **options)
        finally:
            alone.release()

    pause = {"name": "Pause", "ansible.builtin.command": "sleep 1"}
    run([pause, {"ansible.builtin.set_stats": {"data": {"n": "{{ n }}"}}}], variables={"n": 0})
    capfd.readouterr()
    monkeypatch.setattr(pexpect, "spawn", one_at_a_time)
    seen: dict[int, list[str]] = {1: [], 2: [], 3: []}
    results: dict[int, playbooks.PlaybookResult] = {}

    def start(number: int) -> None:
        results[number] = playbooks.run(
            "try.yml", TARGET, {"n": number}, watch=lambda event: seen[number].append(event["event"])
        )

    threads = [threading.Thread(target=start, args=(number,)) for number in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert forks == [True] * 3
    assert {number: result.data for number, result in results.items()} == {n: {"n": n} for n in seen}
    assert len({result.log for result in results.values()}) == 3
    assert all(events.count("runner_on_ok") == 2 for events in seen.values())
    assert capfd.readouterr().err == ""


def test_stop_ends_a_playbook_that_another_thread_runs(run, tmp_path):
    run([{"name": "Sleep", "ansible.builtin.command": "sh -c 'exec sleep 0'"}])
    playbook = paths.ansible_dir() / "playbooks" / "try.yml"
    playbook.write_text(playbook.read_text().replace("sleep 0", "sleep 92.5"))
    stop, outcome, begun = threading.Event(), [], threading.Event()

    def work() -> None:
        try:
            playbooks.run("try.yml", TARGET, {}, stop=stop, watch=lambda event: begun.set())
        except Interrupted as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(60)
    time.sleep(1)
    stop.set()
    thread.join(60)
    assert [type(error) for error in outcome] == [Interrupted]
    assert "92.5" not in subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout
