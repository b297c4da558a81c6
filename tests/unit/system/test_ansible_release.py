from importlib.metadata import PackageNotFoundError

import pytest

from toilctl.system import ansible_release, collections, playbooks
from toilctl.values.errors import HostError


@pytest.fixture
def releases(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is installed, to be changed."""
    installed = {"ansible-core": "2.19.14", "amazon.aws": "10.1.2"}

    def find(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(ansible_release, "version", find)
    monkeypatch.setattr(collections, "version", lambda name: installed[name])
    return installed


@pytest.mark.parametrize(("core", "collection"), [("2.19.0", "10.1.0"), ("2.20.3", "10.2.0"), ("2.21.5", "11.4.0")])
def test_releases_of_ansible_12_to_14_are_accepted(releases: dict[str, str], core: str, collection: str) -> None:
    releases.update({"ansible-core": core, "amazon.aws": collection})
    ansible_release.require_supported()


@pytest.mark.parametrize(
    ("name", "version"),
    [("ansible-core", "2.18.9"), ("ansible-core", "2.22.0rc1"), ("ansible-core", "3.0.0"), ("amazon.aws", "9.5.0"),
     ("amazon.aws", "12.0.0")],
)  # fmt: skip
def test_another_release_is_refused_with_what_to_install(releases: dict[str, str], name: str, version: str) -> None:
    releases[name] = version
    with pytest.raises(HostError, match=rf"This is {name} {version}; toilctl needs \S+ or later, before \d") as caught:
        ansible_release.require_supported()
    assert "pip install 'ansible>=12,<15'" in caught.value.next_step


def test_toilctl_without_ansible_is_told_so(releases: dict[str, str]) -> None:
    del releases["ansible-core"]
    with pytest.raises(HostError, match=r"There is no ansible-core beside this toilctl\."):
        ansible_release.require_supported()


def test_nothing_is_run_with_another_release(releases: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    releases["ansible-core"] = "2.22.0"
    monkeypatch.setattr("ansible_runner.run", lambda **_: pytest.fail("a playbook was run"))
    with pytest.raises(HostError, match=r"This is ansible-core 2\.22\.0"):
        playbooks.run("launch.yml", playbooks.PlaybookTarget("us-west-2", "c"), {})
