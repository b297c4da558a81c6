"""Command lines that people type, as documents have them, read and given to the Toil that is installed here."""

from __future__ import annotations

import shlex
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.workflows.documents import LINES, Line
from tests.unit.workflows.toils_parser import taken_by_toil
from toilctl.values.errors import UsageError
from toilctl.workflows import toil_options
from toilctl.workflows.command_line import WorkflowCommand
from toilctl.workflows.spellings import SPELLINGS

EACH_LINE = pytest.mark.parametrize("line", LINES, ids=[line.source for line in LINES])
STORE = "aws:us-west-2:my-store"


def parse(text: str) -> WorkflowCommand:
    return WorkflowCommand.parse(shlex.split(text))


@EACH_LINE
def test_line_of_a_document_is_read_as_it_was_meant(line: Line) -> None:
    command = parse(line.text)
    assert shlex.join(command.words) == shlex.join(shlex.split(line.now or line.text))
    assert str(command.job_store or "") == line.job_store
    assert str(command.limits) == line.limits
    assert command.restart == ("--restart" in line.text.split())
    assert bool(command.rewritten) == bool(line.now)


@EACH_LINE
def test_todays_form_is_read_as_itself(line: Line) -> None:
    first = parse(line.text)
    again = WorkflowCommand.parse(first.words)
    assert (again.words, again.rewritten) == (first.words, ())
    assert (again.job_store, again.limits, again.restart) == (first.job_store, first.limits, first.restart)


@EACH_LINE
@pytest.mark.usefixtures("toil_home")
def test_todays_toil_takes_the_line_and_finds_the_job_store(line: Line) -> None:
    from toil.common import Toil

    command = parse(line.text)
    start = tuple(line.start.split())
    assert command.words[: len(start)] == start
    options, unknown = taken_by_toil(start[-1], command.words[len(start) :], line.own)
    if line.job_store:
        assert options.jobStore == Toil.canonical_locator(line.job_store)
    assert not [word for word in unknown if word.startswith("-")]
    assert options.restart == command.restart
    assert len(options.nodeTypes) == len(command.limits)
    for number, one in enumerate(command.limits):
        assert options.nodeTypes[number] == (set(one.node_type.instance_types), one.node_type.spot_bid)
        assert one.max_nodes == (options.maxNodes[number] if number < len(options.maxNodes) else options.maxNodes[0])


@EACH_LINE
@pytest.mark.usefixtures("toil_home")
def test_todays_toil_takes_the_restart_that_is_added(line: Line) -> None:
    command = parse(line.text).with_restart()
    start = line.start.split()
    assert command.words[: len(start)] == tuple(start)
    options, _ = taken_by_toil(start[-1], command.words[len(start) :], line.own)
    assert options.restart
    assert command.restart
    assert command.job_store == parse(line.text).job_store


@pytest.mark.parametrize("line", [line for line in LINES if line.limits], ids=lambda line: line.source)
@pytest.mark.usefixtures("toil_home")
def test_limits_are_those_that_the_leaders_plugin_hands_over(line: Line, handed_over: ModuleType) -> None:
    command = parse(line.text)
    start = line.start.split()
    options, _ = taken_by_toil(start[-1], command.words[len(start) :], line.own)
    handed = handed_over.asked_limits(options.nodeTypes, options.minNodes, options.maxNodes)
    assert [str(one) for one in command.limits] == handed


@pytest.mark.parametrize(
    ("text", "job_store"),
    [
        # By its option, and the last of these.
        (f"toil-cwl-runner --jobStore {STORE} wf.cwl", STORE),
        (f"toil-wdl-runner wf.wdl --jobstore={STORE} in.json", STORE),
        (f"cactus --jobStore file:a --jobStore {STORE} file:b", STORE),
        ("cactus-prepare seq.txt --outDir out --jobStore jobstore", "file:jobstore"),
        # By itself, wherever it stands; of several the first.
        (f"python wf.py {STORE} file:///data/reads.fq", STORE),
        (f"python wf.py in.txt {STORE} aws:us-west-2:out", STORE),
        (f"python wf.py --logInfo {STORE}", STORE),
        (f"python wf.py --clean always {STORE}", STORE),
        (f"python wf.py --writeLogs logs {STORE}", STORE),
        (f"python wf.py -- {STORE}", STORE),
        ("./wf.py file:store", "file:store"),
        ("python wf.py --logInfo file:store", "file:store"),
        ("python wf.py --offset -5 file:store", ""),
        # Not the value of an option.
        (f"python wf.py --workDir file:w --sseKey aws:key --outdir {STORE} file:store", "file:store"),
        ("python wf.py --input file:x ./store", ""),
        ("python wf.py --input=file:x ./store", ""),
        ("python wf.py ./store --seqFile file:seq.txt", ""),
        ("python wf.py --inputs file:x file:y ./store", ""),
        (f"python wf.py --writeLogs {STORE}", ""),
        # Behind an option of the workflow's own, which may be a flag.
        (f"cactus-align --batch {STORE} ./chromfile.txt", STORE),
        (f"python wf.py --input file:x {STORE}", STORE),
        ("python wf.py --tag aws:spot ./store", ""),
        ("python wf.py --latest file:store", ""),
        # Neither URLs nor paths nor words with other colons.
        ("python wf.py file:///data/reads.fq", ""),
        ("python wf.py s3://bucket/reads.fq https://host/a", ""),
        ("python wf.py ./store 10.0.0.1:5050 arn:aws:s3:::bucket", ""),
        # These runners have it behind --jobStore alone.
        ("toil-cwl-runner wf.cwl file:in.yaml", ""),
        (f"toil-wdl-runner file:wf.wdl {STORE}", ""),
        ("python -m toil.cwl.cwltoil file:wf.cwl", ""),
        ("python -u -W ignore -m toil.wdl.wdltoil file:wf.wdl", ""),
        (f"/venv/bin/toil-cwl-runner --jobStore={STORE} file:wf.cwl", STORE),
    ],
)
def test_job_store_is_the_first_word_that_can_be_one(text: str, job_store: str) -> None:
    assert str(parse(text).job_store or "") == job_store


@pytest.mark.parametrize(
    "text",
    [
        "python wf.py aws:my-store",
        "python wf.py aws:us-west-2a:my-store",
        "python wf.py --logInfo aws:us-west-2:My_Store",
        "python wf.py azure:account:store",
        "toil-cwl-runner --jobStore s3://bucket wf.cwl",
    ],
)
def test_job_store_that_toil_would_not_take_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="job store"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        (f"python sort.py {STORE}", f"python sort.py --restart {STORE}"),
        (f"python3.11 -u sort.py --logInfo {STORE}", f"python3.11 -u sort.py --restart --logInfo {STORE}"),
        (f"python -X dev -m pkg.main {STORE} x", f"python -X dev -m pkg.main --restart {STORE} x"),
        (f"./sort.py {STORE}", f"./sort.py --restart {STORE}"),
        (f"cactus --latest {STORE} seq.txt", f"cactus --restart --latest {STORE} seq.txt"),
        ("cactus ./js seq.txt out.hal", "cactus --restart ./js seq.txt out.hal"),
        ("cactus ./js out.hal --maxCores 4", "cactus ./js out.hal --restart --maxCores 4"),
        (f"env A=b nohup cactus {STORE}", f"env A=b nohup cactus --restart {STORE}"),
        (f"toil-vg index {STORE} --graphs a b", f"toil-vg index --restart {STORE} --graphs a b"),
        ("toil-marginphase run --maxCores 8 ./js", "toil-marginphase run --restart --maxCores 8 ./js"),
        (f"toil-vg index --quick {STORE} x", f"toil-vg index --restart --quick {STORE} x"),
        (f"toil-vg index --graphs a b {STORE}", f"toil-vg index --restart --graphs a b {STORE}"),
        (f"toil-vg index -- {STORE}", f"toil-vg index --restart -- {STORE}"),
    ],
)
def test_restart_goes_where_toils_options_are_taken(text: str, after: str) -> None:
    command = parse(text)
    again = command.with_restart()
    assert shlex.join(again.words) == after
    assert again.restart
    assert not command.restart
    assert again.with_restart() == again


def test_restart_that_is_an_options_value_or_behind_two_hyphens_is_none() -> None:
    assert not parse(f"python wf.py {STORE} --note=--restart").restart
    assert not parse(f"python wf.py {STORE} -- --restart").restart


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"python wf.py {STORE} --sseKey /root/key", "/root/key"),
        (f"python wf.py {STORE} --sseKey=a --sseKey=b", "b"),
        (f"python wf.py {STORE} --sseKey", None),
        (f"python wf.py {STORE}", None),
    ],
)
def test_file_of_the_job_stores_key_is_known(text: str, key: str | None) -> None:
    assert parse(text).sse_key == key


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ("--provisioner aws --nodeTypes c3.large", "c3.large=0..10"),
        ("--provisioner=aws --nodeTypes=a1.large,b1.large --maxNodes=7", "a1.large=0..7,b1.large=0..7"),
        ("-p aws --nodeTypes a1.large/b1.large:0.42,c1.large --minNodes 1,2 --maxNodes '3, 4'",
         "a1.large/b1.large:0.42=1..3,c1.large=2..4"),
        ("--provisioner aws --nodeTypes a1.large --maxNodes 20,2", "a1.large=0..20"),
        ("--provisioner aws --nodeTypes a1.large --nodeTypes b1.large --maxNodes 5,1", "a1.large=0..5,b1.large=0..1"),
        ("--provisioner cgcloud --nodeType a1.large --minNodes 1 --maxNodes 1", "a1.large=1..1"),
        ("--provisioner aws --preemptableNodeType a1.large:0.2 --minPreemptableNodes 1 --maxPreemptableNodes 4",
         "a1.large:0.2=1..4"),
        ("--provisioner aws", ""),
        ("--nodeTypes a1.large:cheap --maxNodes many", ""),
    ],
)  # fmt: skip
def test_limits_are_filled_up_as_on_the_leader(options: str, limits: str) -> None:
    assert str(parse(f"python wf.py {STORE} {options}").limits) == limits


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("--nodeTypes c3.large:cheap", "--nodeTypes"),
        ("--nodeTypes c3", "--nodeTypes"),
        ("--nodeTypes c3.large,c3.large", "--nodeTypes"),
        ("--nodeTypes c3.large --maxNodes many", "--maxNodes"),
        ("--nodeTypes c3.large --minNodes -1", "--minNodes"),
        ("--nodeTypes c3.large --minNodes 3 --maxNodes 2", "--minNodes and --maxNodes"),
        ("--preemptableNodeType c3.large", "--preemptableNodeType"),
        ("--nodeTypes c3.large --maxPreemptableNodes 2", "--maxPreemptableNodes"),
        ("--nodeTypes c3.large:1 --minPreemptableNodes few", "--minPreemptableNodes"),
    ],
)
def test_bad_node_type_bid_or_number_is_refused_with_its_options_name(options: str, names: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(f"python wf.py {STORE} --provisioner aws {options}")
    assert refused.value.message.startswith(names)
    assert refused.value.next_step


@pytest.mark.parametrize(
    ("options", "now"),
    [
        ("--maxNodes 5 --nodeTypes a1.large --maxNodes 2", "--nodeTypes a1.large --maxNodes 2"),
        ("--nodeTypes a1.large --maxNodes 5 --nodeTypes b1.large --maxNodes 2",
         "--nodeTypes a1.large,b1.large --maxNodes 5,2"),
        ("--nodeTypes a1.large --nodeTypes b1.large --maxNodes 2",
         "--nodeTypes a1.large --nodeTypes b1.large --maxNodes 2"),
        ("--nodeType a1.large --maxPreemptableNodes 0", "--nodeTypes a1.large"),
        ("--maxPreemptableNodes 0", ""),
        ("--nodeTypes a1.large:0.5,b1.large --maxNodes 3 --maxPreemptableNodes 0",
         "--nodeTypes a1.large:0.5,b1.large --maxNodes 0,3"),
        ("--preemptableNodeType=a1.large:0.10 --nodeType=b1.large --minNodes=1",
         "--nodeTypes b1.large,a1.large:0.10 --minNodes 1,1"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("toil_home")
def test_older_and_repeated_options_of_nodes_become_one_list_each(options: str, now: str) -> None:
    words = parse(f"wf {STORE} {options}").words
    assert shlex.join(words) == f"wf {STORE} {now}".strip()
    taken, unknown = taken_by_toil("wf", words[1:])
    assert not unknown
    assert all(isinstance(number, int) for number in (*taken.minNodes, *taken.maxNodes))


@pytest.mark.parametrize(
    ("options", "now"),
    [
        ("--provisioner aws --node-types c3.large --max-nodes=2",
         "--provisioner aws --nodeTypes c3.large --maxNodes=2"),
        ("-p aws --preemptable-node-type c3.large:0.1 --max-preemptible-nodes 3",
         "-p aws --nodeTypes c3.large:0.1 --maxNodes 3"),
        ("--provisioner aws --node-storage 300 --scale-interval 5 -- --max-nodes 2",
         "--provisioner aws --nodeStorage 300 --scaleInterval 5 -- --max-nodes 2"),
        ("--max-nodes 2 --node-storage 3", "--max-nodes 2 --node-storage 3"),
    ],
)  # fmt: skip
def test_hyphens_in_the_scalers_options_are_read_where_they_are_meant(options: str, now: str) -> None:
    command = parse(f"wf {STORE} {options}")
    assert shlex.join(command.words) == f"wf {STORE} {now}"
    assert bool(command.rewritten) == (options != now)


def test_each_change_is_told_with_its_reason_in_the_order_of_the_command() -> None:
    command = parse(f"cwltoil --metrics --alphaPacking 0.8 --jobStore={STORE} --logLevel=off wf.cwl")
    assert [one[:2] for one in command.rewritten] == [
        ("cwltoil", "toil-cwl-runner"),
        ("--metrics", "--metrics True"),
        ("--alphaPacking 0.8", ""),
        ("--logLevel=off", "--logLevel=CRITICAL"),
    ]
    assert all(one.why for one in command.rewritten)


def test_variables_before_the_program_are_set_without_showing_their_values() -> None:
    command = parse(f"AWS_SECRET_ACCESS_KEY=hush A=b cactus {STORE}")
    assert command.words == ("env", "AWS_SECRET_ACCESS_KEY=hush", "A=b", "cactus", STORE)
    assert "hush" not in str(command.rewritten)
    assert parse(shlex.join(command.words)).words == command.words


@pytest.mark.parametrize(
    "words",
    [
        (f"python sort.py {STORE} --restart | tee log",),
        (f"cd /data && exec python -m pkg.main --batchSystem=mesos {STORE} --restart>log 2>&1",),
        ("bash", "-c", f"cactus --metrics {STORE}; cactus --restart {STORE}"),
        ("env", "A=b", "/bin/sh", "-ec", f"python sort.py '{STORE}' --restart # again"),
    ],
)
def test_line_for_a_shell_is_read_and_left_alone(words: tuple[str, ...]) -> None:
    command = WorkflowCommand.parse(words)
    assert command.words == (words if len(words) > 1 else ("bash", "-c", words[0]))
    assert command.rewritten == ()
    assert command.restart
    assert WorkflowCommand.parse(command.words) == command
    assert command.with_restart() == command


def test_restart_cannot_be_added_to_a_line_for_a_shell() -> None:
    command = WorkflowCommand.parse((f"python sort.py {STORE} | tee log",))
    assert str(command.job_store) == STORE
    with pytest.raises(UsageError, match="Type the line again with --restart"):
        command.with_restart()


def test_what_only_the_shell_knows_is_not_guessed() -> None:
    line = "cactus $STORE seq.txt --provisioner aws --nodeTypes c3.large --maxNodes $(nodes) --sseKey `key`"
    command = WorkflowCommand.parse((line,))
    assert (command.job_store, str(command.limits), command.sse_key) == (None, "", None)
    assert WorkflowCommand.parse((f"toil-cwl-runner --jobStore $STORE {STORE}",)).job_store is None


def test_limits_in_a_line_for_a_shell_are_known() -> None:
    line = "mkdir -p out; cactus $STORE --provisioner aws --nodeType c3.large --maxNodes 2 > out/log"
    assert str(WorkflowCommand.parse((line,)).limits) == "c3.large=0..2"


@pytest.mark.parametrize(
    "words", [(), ("",), (" ", ""), ("A=b",), ("env", "A=b"), ("nohup",), ("python", "-u"), ("python", "-m")]
)
def test_command_without_a_program_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as refused:
        WorkflowCommand.parse(words)
    assert "toilctl run NAME -- " in refused.value.next_step


def test_quote_that_is_not_closed_is_refused() -> None:
    with pytest.raises(UsageError, match="A quote in the shell line is not closed"):
        WorkflowCommand.parse(("python 'sort.py",))


WORDS = st.sampled_from(
    [
        *(word for one in SPELLINGS for word in one.was.split()),
        *sorted(toil_options.OLDER), *sorted(toil_options.FLAGS),
        "--", "--own", "--own=5", "--nodeTypes", "--minNodes", "--maxNodes", "--restart", "--restart", "--metrics=True",
        "True", "no", "5", "-5", "c3.large", "m5.large:0.1", "file:in", "./store", STORE, "--a b", "a b", "A=b", "env",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(WORDS, max_size=12))
def test_todays_form_of_any_words_stays_as_it_is(words: list[str]) -> None:
    try:
        command = WorkflowCommand.parse(["wf", *words])
    except UsageError:
        return
    again = WorkflowCommand.parse(command.words)
    assert again.words == command.words
    assert again.rewritten == ()
    assert again == WorkflowCommand.parse(again.words)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=12))
def test_restart_is_there_after_it_was_added(words: list[str]) -> None:
    try:
        command = WorkflowCommand.parse(["wf", *words])
    except UsageError:
        return
    assert WorkflowCommand.parse(command.with_restart().words).restart
