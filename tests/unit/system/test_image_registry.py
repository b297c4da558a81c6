"""Against a small registry in this process: with and without tokens, one and several architectures, blobs elsewhere."""

import hashlib
import json
import os
import sys
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from toilctl.system import image_registry
from toilctl.system.image_registry import CannotAskError, Registry
from toilctl.values.appliance import ImageFacts, ImageReference
from toilctl.values.cluster import Engine
from toilctl.values.errors import NotFoundError, UsageError

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        state = self.server.state
        state.seen.append((self.path, dict(self.headers)))
        if path == "/token":
            return self.answer(200, {"token": f"for {query}"})
        if path.startswith("/v2/"):
            wanted = state.token and f"Bearer for service=us&scope=repository%3Ame%2Fx%3A{state.token}"
            if wanted and self.headers.get("Authorization") != wanted:
                realm = f'Bearer realm="http://{self.headers["Host"]}/token",service="us",scope="repository:me/x:pull"'
                return self.answer(401, {}, {"WWW-Authenticate": state.challenge or realm})
        if path.endswith("/tags/list") and state.tags is not None:
            words = dict(urllib.parse.parse_qsl(query))
            later = sorted(tag for tag in state.tags if tag > words["last"])
            return self.answer(200, {"tags": later[: int(words["n"])] or None})
        if path in state.redirects:
            return self.answer(307, {}, {"Location": state.redirects[path]})
        if path in state.content:
            return self.answer(200, state.content[path])
        return self.answer(state.missing, {"errors": [{"code": "MANIFEST_UNKNOWN"}]})

    def answer(self, code, content, headers=None):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in {"Content-Length": len(body), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.state = SimpleNamespace(content={}, tags=[], redirects={}, seen=[], token=None, challenge=None, missing=404)
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    httpd.state.host = f"127.0.0.1:{httpd.server_port}"
    httpd.state.image = f"{httpd.state.host}/me/x:1"
    yield httpd.state
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture(autouse=True)
def no_docker(monkeypatch, tmp_path):
    """A machine without a Docker engine; a test can put one there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def publish(state, labels, architecture="amd64", digest="sha256:c1", at="1"):
    state.content[f"/v2/me/x/manifests/{at}"] = {"mediaType": MANIFEST, "config": {"digest": digest}}
    state.content[f"/v2/me/x/blobs/{digest}"] = {"architecture": architecture, "config": {"Labels": labels}}


def digest_of(state, at="1"):
    return f"sha256:{hashlib.sha256(json.dumps(state.content[f'/v2/me/x/manifests/{at}']).encode()).hexdigest()}"


def facts(state, architecture="amd64"):
    return Registry(ImageReference.parse(state.image)).facts(architecture)


def test_labels_and_architecture_come_from_the_configuration(server):
    publish(server, {"toilctl.engines": "slurm"})
    assert facts(server) == ImageFacts(frozenset({"amd64"}), frozenset({Engine.SLURM}))


def test_image_without_labels_has_unknown_engines(server):
    publish(server, None)
    assert facts(server).engines is None


def test_token_is_fetched_where_the_registry_says(server):
    server.token = "pull"
    publish(server, {"toilctl.engines": "slurm"})
    assert facts(server).engines == {Engine.SLURM}
    assert sum(path.startswith("/token") for path, _ in server.seen) == 1


def test_every_architecture_of_an_index_is_told(server):
    publish(server, {"toilctl.engines": "slurm"}, "arm64", "sha256:c2", at="sha256:m2")
    server.content["/v2/me/x/manifests/1"] = {
        "mediaType": INDEX,
        "manifests": [
            {"digest": "sha256:m1", "platform": {"architecture": "amd64", "os": "linux"}},
            {"digest": "sha256:m2", "platform": {"architecture": "arm64", "os": "linux"}},
            {"digest": "sha256:m3", "platform": {"architecture": "unknown", "os": "unknown"}},
        ],
    }
    assert facts(server, "arm64") == ImageFacts(frozenset({"amd64", "arm64"}), frozenset({Engine.SLURM}))
    with pytest.raises(NotFoundError, match="not there for riscv64"):
        image_registry.check(server.image, Engine.SLURM, "riscv64")


def test_token_does_not_follow_a_blob_to_another_place(server):
    server.token = "pull"
    publish(server, {"toilctl.engines": "slurm"})
    config = server.content.pop("/v2/me/x/blobs/sha256:c1")
    server.redirects["/v2/me/x/blobs/sha256:c1"] = f"http://{server.host}/store"
    server.content["/store"] = config
    assert facts(server).engines == {Engine.SLURM}
    assert "Authorization" not in dict(server.seen)["/store"]


def test_image_that_does_not_exist_is_not_found_with_a_next_step(server):
    with pytest.raises(NotFoundError, match="does not exist") as caught:
        image_registry.check(server.image, Engine.SLURM)
    assert "TOIL_APPLIANCE_SELF" in caught.value.next_step


def test_image_that_is_not_public_is_not_found(server):
    server.token = "never"
    with pytest.raises(NotFoundError, match="not public"):
        image_registry.check(server.image, Engine.SLURM)


def test_registry_that_wants_a_password_cannot_be_asked(server, capsys):
    server.token, server.challenge = "never", 'Basic realm="private"'
    image_registry.check(server.image, Engine.SLURM)
    assert "could not be checked" in capsys.readouterr().err


def test_broken_registry_cannot_be_asked(server):
    server.missing = 503
    with pytest.raises(CannotAskError, match="503"):
        facts(server)
    server.content["/v2/me/x/manifests/1"] = b"<html>"
    with pytest.raises(CannotAskError, match="does not answer"):
        facts(server)
    server.content["/v2/me/x/manifests/1"] = {"schemaVersion": 1}
    with pytest.raises(CannotAskError, match="unknown form"):
        facts(server)


def test_registry_out_of_reach_does_not_stop_a_launch(capsys):
    image_registry.check("127.0.0.1:1/me/x:1", Engine.SLURM)
    assert "could not be checked" in capsys.readouterr().err


def test_fitting_image_passes_without_a_word(server, capsys):
    publish(server, {"toilctl.engines": "slurm,mesos"})
    image_registry.check(server.image, Engine.MESOS)
    assert capsys.readouterr().err == ""


def test_lacking_engine_is_refused(server):
    publish(server, {"toilctl.engines": "slurm"})
    with pytest.raises(UsageError, match="does not have the engine mesos") as caught:
        image_registry.check(server.image, Engine.MESOS)
    assert "toilctl appliance build" in caught.value.next_step
    assert "--engine slurm" in caught.value.next_step


def test_lacking_architecture_is_refused_in_dockers_name(server):
    publish(server, {"toilctl.engines": "slurm"}, "amd64")
    with pytest.raises(NotFoundError, match=r"not there for arm64.*amd64"):
        image_registry.check(server.image, Engine.SLURM, "arm64")


def test_unlabelled_image_passes_and_that_is_said(server, capsys):
    publish(server, {})
    image_registry.check(server.image, Engine.SLURM)
    assert "slurm is assumed" in capsys.readouterr().err


def test_checked_image_has_the_digest_of_what_its_tag_stands_for(server):
    publish(server, {"toilctl.engines": "slurm"})
    first = image_registry.check(server.image, Engine.SLURM)
    assert first == f"{server.image}@{digest_of(server)}"
    publish(server, {"toilctl.engines": "slurm", "moved": "on"}, digest="sha256:c2")
    assert image_registry.check(server.image, Engine.SLURM) != first


def test_digest_of_an_image_for_several_architectures_is_that_of_all(server):
    publish(server, {"toilctl.engines": "slurm"}, at="sha256:m1")
    parts = [{"digest": "sha256:m1", "platform": {"architecture": "amd64"}}]
    server.content["/v2/me/x/manifests/1"] = {"mediaType": INDEX, "manifests": parts}
    assert image_registry.check(server.image, Engine.SLURM) == f"{server.image}@{digest_of(server)}"


def test_named_digest_stays_and_is_compared(server, capsys):
    publish(server, {"toilctl.engines": "slurm"})
    named = f"{server.host}/me/x:1@{digest_of(server)}"
    server.content[f"/v2/me/x/manifests/{digest_of(server)}"] = server.content["/v2/me/x/manifests/1"]
    assert image_registry.check(named, Engine.SLURM) == named
    server.content[f"/v2/me/x/manifests/{digest_of(server)}"] = {"config": {"digest": "sha256:c1"}}
    image_registry.check(named, Engine.SLURM)
    assert "could not be checked: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "manifest",
    [
        {"manifests": 7}, {"manifests": [{"platform": None}]}, {"manifests": [{"platform": {"architecture": "amd64"}}]},
        {"config": None}, {}, [], [7], b"no JSON", b"[" * 100_000, b"\xff", b" " * 5_000_000,
        {"manifests": [{"platform": {"architecture": "amd64"}, "digest": "a b\n"}]},
    ],
    ids=lambda manifest: str(manifest)[:20],
)  # fmt: skip
def test_registry_that_talks_nonsense_cannot_be_asked(server, manifest):
    server.content["/v2/me/x/manifests/1"] = manifest
    with pytest.raises(CannotAskError):
        facts(server)


COMMIT = "6793fc7f112785e13a229691d6de23225e73339e"
COMPLETE, SHORT, BARE = f"9.6.0-{COMMIT}-py3.11", "9.6.0-py3.11", "9.6.0"


@pytest.mark.parametrize(
    ("chosen", "published"), [(COMPLETE, SHORT), (COMPLETE, BARE), (SHORT, BARE), (SHORT, COMPLETE)]
)
def test_release_that_is_published_under_another_form_of_its_tag_is_found_and_said(server, capsys, chosen, published):
    publish(server, {"toilctl.engines": "mesos"}, at=published)
    server.tags = ["9.6.0-0abc-py3.12", published, *(f"9.5.{number}-py3.11" for number in range(150)), "9.7.0-py3.11"]
    found = image_registry.find(f"{server.host}/me/x:{chosen}", Engine.MESOS)
    name, _, digest = found.partition("@")
    assert (name, digest) == (f"{server.host}/me/x:{published}", digest_of(server, published))
    assert f"published as {name}" in capsys.readouterr().err


def test_release_is_found_beyond_the_first_page_of_tags(server):
    publish(server, {"toilctl.engines": "mesos"}, at=COMPLETE)
    server.tags = [f"9.6.0-{number:040x}-py3.10" for number in range(250)] + [COMPLETE]
    assert image_registry.find(f"{server.host}/me/x:{SHORT}", Engine.MESOS).startswith(
        f"{server.host}/me/x:{COMPLETE}@"
    )


@pytest.mark.parametrize("tags", [7, {"a": 1}, "tags", [None, [], {}]])
def test_tags_of_another_form_are_no_tags(server, tags):
    server.content["/v2/me/x/tags/list"] = {"tags": tags}
    server.tags = None
    with pytest.raises(NotFoundError, match="does not exist"):
        image_registry.find(f"{server.host}/me/x:{SHORT}", Engine.MESOS)


def test_published_form_is_as_it_is(server, capsys):
    publish(server, {"toilctl.engines": "mesos"}, at=COMPLETE)
    publish(server, {"toilctl.engines": "mesos"}, at=BARE)
    assert image_registry.find(f"{server.host}/me/x:{COMPLETE}", Engine.MESOS).partition("@")[0].endswith(COMPLETE)
    assert capsys.readouterr().err == ""


def test_named_image_is_not_replaced_and_the_published_form_is_the_next_step(server):
    publish(server, {"toilctl.engines": "mesos"}, at=COMPLETE)
    server.tags = [COMPLETE]
    with pytest.raises(NotFoundError, match="does not exist") as caught:
        image_registry.check(f"{server.host}/me/x:{SHORT}", Engine.MESOS)
    assert f"{server.host}/me/x:{COMPLETE}" in caught.value.next_step


@pytest.mark.parametrize("tag", [COMPLETE, SHORT, "mine"])
def test_release_that_is_published_under_no_form_is_not_found(server, tag):
    server.tags = ["9.6.0-0abc-py3.12", "9.6.1-0abc-py3.11"]
    with pytest.raises(NotFoundError, match=f"{tag} does not exist") as caught:
        image_registry.find(f"{server.host}/me/x:{tag}", Engine.MESOS)
    assert "toilctl appliance build" in caught.value.next_step


@pytest.fixture
def local_engine(tmp_path):
    """A Docker engine with one image."""

    def put(labels, architecture="amd64"):
        script = tmp_path / "docker"
        script.write_text(f"#!/bin/sh\necho '{json.dumps(labels)}'\necho {architecture}\n")
        script.chmod(0o755)

    return put


def test_local_engine_tells_when_the_registry_cannot(local_engine, capsys):
    local_engine({"toilctl.engines": "slurm"})
    image_registry.check("127.0.0.1:1/me/x:1", Engine.SLURM)
    assert capsys.readouterr().err == ""
    with pytest.raises(UsageError, match="mesos"):
        image_registry.check("127.0.0.1:1/me/x:1", Engine.MESOS)


def test_architecture_of_the_local_image_is_this_machines(local_engine, capsys):
    """As on a Mac with an Apple processor, whose engine has arm64's of an image for both."""
    local_engine({"toilctl.engines": "slurm"}, "arm64")
    image_registry.check("127.0.0.1:1/me/x:1", Engine.SLURM)
    assert "127.0.0.1:1/me/x:1 could not be checked" in capsys.readouterr().err


def test_image_that_was_built_and_never_pushed_is_refused(local_engine, server):
    local_engine({"toilctl.engines": "slurm"})
    with pytest.raises(NotFoundError, match="in this machine's Docker engine") as caught:
        image_registry.check(server.image, Engine.SLURM)
    assert f"docker push {server.image}" in caught.value.next_step


def test_installed_toil_tells_its_tag_without_being_imported(tmp_path, monkeypatch):
    (tmp_path / "toil").mkdir()
    (tmp_path / "toil/__init__.py").write_text("raise RuntimeError")
    (tmp_path / "toil/version.py").write_text("version = '9'\ndockerTag = '9.6.0-abc-py3.11'\n")
    monkeypatch.delitem(sys.modules, "toil", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert image_registry.installed_toil_tag() == "9.6.0-abc-py3.11"


def test_without_a_toil_there_is_no_tag(monkeypatch):
    monkeypatch.setattr(image_registry, "find_spec", lambda _: None)
    assert image_registry.installed_toil_tag() is None
