import pytest

from toilctl.system import variables
from toilctl.values.appliance import Appliance, ImageReference, ToilTag, choose, engines_of
from toilctl.values.cluster import Engine
from toilctl.values.errors import UsageError

PINNED = "quay.io/ucsc_cgl/toil:9.6.0-py3.11"
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "complete"),
    [
        ("debian", "docker.io/library/debian:latest"),
        ("me/toil:1", "docker.io/me/toil:1"),
        ("quay.io/ucsc_cgl/toil:9.6.0", "quay.io/ucsc_cgl/toil:9.6.0"),
        ("localhost:5000/a/b/c", "localhost:5000/a/b/c:latest"),
        ("localhost/a", "localhost/a:latest"),
        ("registry:5000/a:1", "registry:5000/a:1"),
        (f"ghcr.io/me/toil:1@{DIGEST}", f"ghcr.io/me/toil@{DIGEST}"),
        ("123.dkr.ecr.us-west-2.amazonaws.com/x:9.6.0-abc_D", "123.dkr.ecr.us-west-2.amazonaws.com/x:9.6.0-abc_D"),
    ],
)
def test_image_names_are_completed_as_docker_does(image, complete):
    assert str(ImageReference.parse(image)) == complete


@pytest.mark.parametrize("image", ["", "https://quay.io/ucsc_cgl/toil", "Upper/case", "a:b:c", "a b", "me/toil:", "-x"])
def test_other_texts_are_usage_errors(image):
    with pytest.raises(UsageError, match="not a container image") as caught:
        ImageReference.parse(image)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("named", "environment", "toil_tag", "image", "rule"),
    [
        ("me/x:1", {"TOIL_APPLIANCE_SELF": "me/y:1"}, "9", "me/x:1", "--appliance"),
        (None, {"TOIL_APPLIANCE_SELF": "me/y:1", "TOIL_DOCKER_NAME": "z"}, "9", "me/y:1", "TOIL_APPLIANCE_SELF"),
        (None, {"TOIL_DOCKER_REGISTRY": "ghcr.io/me"}, "9", "ghcr.io/me/toil:9", "TOIL_DOCKER_REGISTRY"),
        (None, {"TOIL_DOCKER_NAME": "own"}, None, "quay.io/ucsc_cgl/own:9.6.0-py3.11", "TOIL_DOCKER_NAME"),
        (None, {"TOIL_APPLIANCE_SELF": ""}, "9", "quay.io/ucsc_cgl/toil:9", "installed beside toilctl"),
        (None, {}, None, PINNED, "pinned"),
    ],
)
def test_image_is_chosen_by_toils_rules(named, environment, toil_tag, image, rule):
    chosen = choose(named, environment, PINNED, toil_tag)
    assert chosen.image == image
    assert rule in chosen.rule


def test_both_variables_are_named_as_the_rule():
    chosen = choose(None, {"TOIL_DOCKER_REGISTRY": "a.io/b", "TOIL_DOCKER_NAME": "c"}, PINNED)
    assert chosen == Appliance(
        "a.io/b/c:9.6.0-py3.11", "TOIL_DOCKER_REGISTRY and TOIL_DOCKER_NAME, with the tag of the pinned version of Toil"
    )


def test_bad_name_in_the_environment_is_a_usage_error():
    with pytest.raises(UsageError, match="http"):
        choose(None, {"TOIL_APPLIANCE_SELF": "https://x/y"}, PINNED)


def test_our_label_tells_the_engines():
    image = ImageReference.parse("me/x")
    assert engines_of({"toilctl.engines": "slurm, mesos"}, image, "arm64") == {Engine.SLURM, Engine.MESOS}
    assert engines_of({"toilctl.engines": ""}, image, "amd64") == set()


def test_toils_own_image_has_mesos_on_amd64_alone():
    image = ImageReference.parse(PINNED)
    assert engines_of({}, image, "amd64") == {Engine.MESOS}
    assert engines_of({}, image, "arm64") == set()


def test_engines_of_an_unknown_image_are_unknown():
    assert engines_of({}, ImageReference.parse("me/x"), "amd64") is None


COMMIT = "6793fc7f112785e13a229691d6de23225e73339e"


@pytest.mark.parametrize(
    ("tag", "forms"),
    [
        (f"9.6.0-{COMMIT}-py3.11", [f"9.6.0-{COMMIT}-py3.11", "9.6.0-py3.11", "9.6.0"]),
        ("9.6.0-py3.11", ["9.6.0-py3.11", "9.6.0"]),
        ("9.6.0", ["9.6.0"]),
        (f"9.7.0a1-{COMMIT}-dirty-py3.12", [f"9.7.0a1-{COMMIT}-dirty-py3.12", "9.7.0a1-py3.12", "9.7.0a1"]),
    ],
)
def test_toils_tag_has_forms_the_most_exact_first(tag, forms):
    assert list(ToilTag.parse(tag).forms) == forms


@pytest.mark.parametrize("tag", ["latest", "573ff805", "9.6", "9.6.0-mine", "v9.6.0-py3.11", ""])
def test_tag_of_somebodys_own_is_none_of_toils(tag):
    assert ToilTag.parse(tag) is None


def test_pinned_image_has_the_complete_tag_of_the_release_that_toilctl_is_tried_with():
    from toilctl.local.images.images import TOIL_VERSION

    pinned = ImageReference.parse(variables.defaults()["appliance_pinned"])
    assert f"{pinned.registry}/{pinned.repository}" == "quay.io/ucsc_cgl/toil"
    assert ToilTag.parse(pinned.tag) == ToilTag(TOIL_VERSION, COMMIT, "py3.11")
