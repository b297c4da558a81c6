import json
import os

import pytest

from toilctl.values.errors import HostError, UsageError
from toilctl.verbs.connect import rsync_cluster


def argv(*words):
    return rsync_cluster.parse(words).argv("ssh", "54.1.2.3", "toil_leader")[3:]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-avP", "a.txt", "b.fa", ":/"], ["-avP", "a.txt", "b.fa", "54.1.2.3:/"]),
        (["-a", ":/tmp/x y", "."], ["-a", "54.1.2.3:/tmp/x y", "."]),
        ([":a", ":b", "."], ["54.1.2.3:a", "54.1.2.3:b", "."]),
        ([":/tmp"], ["54.1.2.3:/tmp"]),
        (["x", ":"], ["x", "54.1.2.3:"]),
        (["x", ":~"], ["x", "54.1.2.3:/root"]),
        (["x", ":~/a~/b"], ["x", "54.1.2.3:/root/a~/b"]),
        (["x", ":~ann/b"], ["x", "54.1.2.3:~ann/b"]),
        (["./a:b", "/c:d", ":/tmp"], ["./a:b", "/c:d", "54.1.2.3:/tmp"]),
        (["-f", ": .rules", "x", ":/tmp"], ["-f", ": .rules", "x", "54.1.2.3:/tmp"]),
        (["-af", ":- .gitignore", "x", ":/tmp"], ["-af", ":- .gitignore", "x", "54.1.2.3:/tmp"]),
        (["--filter", ": r", "--exclude=:x", "x", ":/tmp"], ["--filter", ": r", "--exclude=:x", "x", "54.1.2.3:/tmp"]),
        (["--files-from", ":/list", ":/", "."], ["--files-from", ":/list", "54.1.2.3:/", "."]),
        (["x", ":/tmp", "--delete", "-n"], ["x", "54.1.2.3:/tmp", "--delete", "-n"]),
        (["--", "-x", ":/tmp"], ["--", "-x", "54.1.2.3:/tmp"]),
        (["-B1000", "x", ":/tmp"], ["-B1000", "x", "54.1.2.3:/tmp"]),
    ],
)
def test_colon_paths_are_the_clusters(words, expected):
    assert list(argv(*words)) == expected


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-av", "a", "b"], "No path is on the cluster"),
        (["-av"], "No path is on the cluster"),
        ([":a", ":b"], "both on the cluster"),
        (["x", ":a", ":b"], "both on the cluster"),
        ([":a", "x", "."], "some are not"),
        (["other:a", ":b"], r"\./other:a"),
        (["a:b", "c"], "another host"),
        (["rsync://h/m", ":b"], "another host"),
        (["x", "::module"], "another host"),
        (["-e", "ssh -p 1", "x", ":/"], "cannot be given"),
        (["-ave", "ssh", "x", ":/"], "cannot be given"),
        (["--rsh=ssh", "x", ":/"], "cannot be given"),
        (["--rsync-path", "r", "x", ":/"], "cannot be given"),
    ],
)
def test_other_command_lines_are_usage_errors(words, text):
    with pytest.raises(UsageError, match=text) as caught:
        rsync_cluster.parse(words)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("word", "shown"), [("-oA=b", "-oA=b"), ("a b", "'a b'"), ('K="/a b"', "'K=\"/a b\"'"), ("it's", "'it''s'")]
)
def test_words_are_quoted_as_rsync_reads_its_remote_shell(word, shown):
    assert rsync_cluster.quoted(word) == shown


def test_machine_without_rsync_is_told_what_to_install(cluster, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="apt-get install rsync"):
        rsync_cluster.run(cluster, rsync_cluster.parse(["x", ":/tmp"]))


def test_exit_code_is_rsyncs_and_ssh_gets_the_clusters_options(cluster, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/rsync").write_text(
        "#!/usr/bin/env python3\nimport json, os, sys\n"
        f"json.dump([sys.argv[1:], os.environ['RSYNC_PROTECT_ARGS']], open('{tmp_path}/seen', 'w'))\nsys.exit(23)\n"
    )
    (tmp_path / "bin/rsync").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    assert rsync_cluster.run(cluster, rsync_cluster.parse(["-a", "x", ":/tmp"])) == 23
    words, protect = json.loads((tmp_path / "seen").read_text())
    assert protect == "1"
    assert "HostKeyAlias=i-0aaa" in words[0]
    assert words[1] == "--rsync-path=sudo -n docker exec -i toil_leader rsync"
    assert words[-1] == "54.1.2.3:/tmp"


def test_what_the_leader_says_beside_a_copy_steers_no_terminal(cluster, monkeypatch):
    cleaned = []
    monkeypatch.setattr(rsync_cluster.terminal, "run", lambda *_, **how: cleaned.append(how["cleaned"]) or 0)
    assert rsync_cluster.run(cluster, rsync_cluster.parse(["x", ":/tmp"])) == 0
    assert cleaned == [True]
