"""estimate cactus, as it is typed and read."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from toilctl.local.process.testing import TestCloud
from toilctl.system.instance_table import shipped

MAMMALS = ("estimate", "cactus", "--genomes", "8", "--size", "mammal")


def test_text_has_counts_cost_quotas_and_what_to_type(toilctl: Any) -> None:
    answer = toilctl(*MAMMALS, "-z", "us-west-2b")
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout == (
        "Cactus with 8 mammal-size genomes (2 to 4 Gb): at most 80 c4.8xlarge:0.6 and 4 r3.8xlarge.\n"
        "\n"
        "  ROLE    NODE TYPE       MARKET     MAX  VCPUS  USD PER HOUR\n"
        "  leader  t2.medium       on demand    1      2          0.06\n"
        "  worker  c4.8xlarge:0.6  spot        80   2880         48.84\n"
        "  worker  r3.8xlarge      on demand    4    128         10.68\n"
        "\n"
        "Highest cost, in us-west-2: at most $59.58 per hour "
        f"(instances, root volumes and public addresses; prices of {shipped().prices_as_of}).\n"
        "Spot never costs more than its bid. Traffic and S3 come on top.\n"
        f"Prices and sizes of instance types are from {shipped().text}.\n"
        "\n"
        "EC2 quotas needed (yours: aws service-quotas get-service-quota --service-code ec2 --quota-code CODE):\n"
        "  VCPUS  CODE        QUOTA\n"
        "   2880  L-34B43A08  All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests\n"
        "    130  L-1216C47A  Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances\n"
        "\n"
        "Launch (without --default-preemptible only Cactus's preprocessing runs on spot):\n"
        "  toilctl launch-cluster NAME -z us-west-2b --key-pair-name KEY --leader-node-type t2.medium \\\n"
        "      --node-types c4.8xlarge:0.6,r3.8xlarge --max-nodes 80,4 --default-preemptible\n"
        "Run:\n"
        "  toilctl run NAME -- cactus aws:us-west-2:JOBSTORE seqFile.txt output.hal --consCores 32\n"
    )


def test_small_genomes_are_for_a_single_machine(toilctl: Any) -> None:
    shown = toilctl("estimate", "cactus", "--genomes", "3", "--size", "small").stdout
    assert "3 genomes of less than 100 Mb: a single machine is enough" in shown
    assert "Highest cost, in us-west-2: about $2.67 per hour" in shown
    assert "--leader-node-type r3.8xlarge\n" in shown
    assert "cactus file:/var/lib/toil/JOBSTORE seqFile.txt output.hal --batchSystem single_machine" in shown
    assert "spot" not in shown.lower()


def test_price_that_is_not_known_is_said(toilctl: Any) -> None:
    shown = toilctl(*MAMMALS, "--region", "eu-north-1").stdout
    assert "the price of r3.8xlarge and t2.medium is not known here; the rest costs at most $48.84 per hour." in shown
    assert "not known\n" in shown


def test_single_machine_without_a_known_price_has_no_rest(toilctl: Any) -> None:
    shown = toilctl("estimate", "cactus", "--genomes", "3", "--size", "small", "--region", "eu-north-1").stdout
    assert "in eu-north-1: the price of r3.8xlarge is not known here.\n" in shown


def test_json_has_the_same_as_data(toilctl: Any) -> None:
    answer = toilctl.json(*MAMMALS)
    assert answer["kind"] == "estimate"
    data = answer["data"]
    assert (data["workflow"], data["genomes"], data["size"], data["single_machine"]) == ("cactus", 8, "mammal", False)
    assert (data["node_types"], data["max_nodes"]) == (["c4.8xlarge:0.6", "r3.8xlarge"], [80, 4])
    assert {one["code"]: one["vcpus"] for one in data["quotas"]} == {"L-34B43A08": 2880, "L-1216C47A": 130}
    assert data["cost_at_maximum"]["usd_per_hour"] == pytest.approx(59.58, abs=0.01)
    assert data["launch_command"].endswith("--max-nodes 80,4 --default-preemptible")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--genomes", "0", "--size", "bird"), "'--genomes': Cactus needs at least 2 genomes, not 0."),
        (("--genomes", "1", "--size", "bird"), "'--genomes': Cactus needs at least 2 genomes, not 1."),
        (("--genomes", "-3", "--size", "bird"), "'--genomes': '-3' is not a number of genomes."),
        (("--genomes", "many", "--size", "bird"), "'--genomes': 'many' is not a number of genomes."),
        (("--genomes", "8", "--size", "fish"), "'--size': 'fish' is not a size. Choose mammal (2 to 4 Gb), bird"),
        (("--size", "bird"), "Missing option '--genomes'."),
        (("--genomes", "8"), "Missing option '--size'."),
        ((), "Missing option '--genomes'."),
        (("--genomes", "8", "--size", "bird", "-z", "nowhere"), "'nowhere' is not an availability zone."),
        (("--genomes", "8", "--size", "bird", "--region", "us-west-22"), "There is no region 'us-west-22'."),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_the_next_step(
    toilctl: Any, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    monkeypatch.setattr("toilctl.system.aws.enabled_regions", lambda _: ("us-west-2",))
    answer = toilctl("estimate", "cactus", *words)
    assert answer.exit_code == 2
    error, next_step = answer.stderr.splitlines()
    assert error.startswith("Error: ")
    assert says in error
    assert next_step


def test_workflow_that_is_not_known_is_refused(toilctl: Any) -> None:
    answer = toilctl("estimate", "bwa")
    assert (answer.exit_code, "No such command 'bwa'" in answer.stderr) == (2, True)


@pytest.mark.parametrize("size", ["mammal", "nematode", "small"])
def test_launch_line_is_a_launch_that_costs_what_was_said(toilctl: Any, account: TestCloud, size: str) -> None:
    said = toilctl.json("estimate", "cactus", "--genomes", "6", "--size", size, "-z", "us-west-2a")["data"]
    words = shlex.split(said["launch_command"].replace(" NAME ", " big ").replace(" KEY ", " k "))
    answer = toilctl.json(*words[1:], "--dry-run")
    assert "data" in answer, answer
    plan = answer["data"]
    assert plan["cost_at_maximum" if plan["scaling"] else "cost"] == said["cost_at_maximum"]
    limits = plan["scaling"]["limits"] if plan["scaling"] else []
    assert limits == [f"{kind}=0..{most}" for kind, most in zip(said["node_types"], said["max_nodes"], strict=True)]
    assert plan["default_preemptible"] is (size != "small")
