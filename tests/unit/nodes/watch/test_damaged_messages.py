"""What the watch hears from others, damaged: a value or a refusal, and it goes on."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.mutations import damaged_json, damaged_text, dumped
from tests.unit.nodes.watch.conftest import NOW, TERMINATE
from toilctl.nodes.watch import http_service, leader, worker
from toilctl.nodes.watch.http_service import BadRequest, Request

BODY = json.dumps(TERMINATE)
REQUEST = f"POST /notices HTTP/1.0\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"
ACTION = {"action": "terminate", "time": "2030-01-02T03:04:05Z"}


def encoded(value: object) -> bytes:
    return (value if isinstance(value, str) else dumped(value)).encode("utf-8", "surrogatepass")


@settings(deadline=None, max_examples=examples(200))
@given((damaged_json(TERMINATE) | damaged_text(BODY)).map(encoded))
def test_damaged_notice_is_one_or_is_refused(body):
    with suppress(BadRequest):
        found = leader.checked(body, NOW)
        assert set(found) == {"instance_id", "kind", "takes_at"}
        assert found["takes_at"] is None or leader.moment(found["takes_at"]) < NOW + timedelta(seconds=181)


@settings(deadline=None, max_examples=examples(200))
@given(damaged_text(REQUEST).map(encoded) | st.binary(max_size=200))
@example(b"POST / HTTP/1.0\r\nContent-Length: \xb2\r\n\r\n")
def test_damaged_request_is_one_or_is_refused(sent):
    async def read() -> Request:
        reader = asyncio.StreamReader(limit=http_service.HEAD_BYTES)
        reader.feed_data(sent)
        reader.feed_eof()
        return await http_service.read(reader, "10.0.0.5")

    with suppress(BadRequest, EOFError):
        assert len(asyncio.run(read()).body) <= http_service.BODY_BYTES


@settings(deadline=None, max_examples=examples(150))
@given(st.data())
def test_worker_goes_on_whatever_metadata_and_leader_answer(data):
    answers = st.one_of(
        (damaged_json(ACTION) | damaged_text(json.dumps(ACTION))).map(encoded),
        st.sampled_from(
            [b"token", b"i-0123456789abcdef0", b"\xff", b"a\r\nb: c", b"[" * 5000, json.dumps(ACTION).encode()]
        ),
    )

    def fetch(url: str, *_: object, headers: dict[str, str] | None = None, **__: object) -> str:
        for name, value in (headers or {}).items():
            # As http.client does.
            if "\r" in value or "\n" in value:
                raise ValueError(name)
        if data.draw(st.integers(0, 9)) == 0:
            raise worker.Refused(data.draw(st.sampled_from([401, 404, 500])), "x")
        return data.draw(answers).decode()

    told = {"cluster": "lab", "leader": "http://l", "metadata": "http://m", "orphan_timeout_s": 1800}
    before = worker.fetch
    worker.fetch = fetch  # type: ignore[assignment]
    try:
        watch = worker.Watch(told)
        for _ in range(4):
            watch.step()
    finally:
        worker.fetch = before
