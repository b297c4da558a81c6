"""A small HTTP service of one thread, for many who ask little: the leader's watch, and the autoscaler's metrics.

Runs with the host's own Python, on leaders of any system; standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import responses
from typing import NamedTuple, Optional, Union

HEAD_BYTES, BODY_BYTES = 8192, 4096
# Of a body that is too long so much is read all the same: who still sends does not hear the answer.
DRAINED_BYTES = 65536
# The whole of a request and its answer; who is slower is hung up on.
WHOLE_S = 10.0
# Connections at once, of one address and of all; of more, the oldest is hung up on. All workers may ask at once.
OF_ONE, OF_ALL = 32, 2048
# What may wait for a disk at once.
WAITING = 256
BEAT_S = 10.0
PLAIN, JSON = "text/plain; charset=utf-8", "application/json"


class BadRequest(Exception):
    """What is wrong with a request, as one sentence."""


class Request(NamedTuple):
    """What was asked, and from which address."""

    method: str
    path: str
    body: bytes
    source: str


class Answer(NamedTuple):
    """A status, a text and its kind."""

    status: int
    text: str
    kind: str = PLAIN
    headers: tuple[tuple[str, str], ...] = ()


Respond = Callable[[Request], Union[Answer, Callable[[], Answer]]]  # noqa: UP007 - Python 3.9


class HttpService:
    """Answers small requests, all in one thread: whoever is slow, or says nothing, keeps nobody else waiting.

    ``respond`` answers at once, or returns what is called in another thread, since it may take long.
    """

    def __init__(self, address: str, port: int, respond: Respond) -> None:
        self.listening = socket.socket()
        self.listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.listening.bind((address, port))
            self.listening.listen(1024)
        except OSError:
            self.listening.close()
            raise
        self.port = int(self.listening.getsockname()[1])
        self.respond = respond
        self.slow = ThreadPoolExecutor(1)
        self.waiting = 0
        self.open: dict[asyncio.StreamWriter, str] = {}
        self.loop = asyncio.new_event_loop()
        self.ends = False
        self.woken: Optional[asyncio.Event] = None  # noqa: UP045 - Python 3.9

    def run(self, beat: Callable[[], None] = lambda: None, beat_s: float = BEAT_S) -> None:
        """Serve until ``stop`` is called, and call ``beat`` now and then."""
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self.serve(beat, beat_s))
        finally:
            self.loop.close()

    def stop(self) -> None:
        """Let ``run`` end; from any thread."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.end)

    def end(self) -> None:
        """Let ``run`` end; from its own thread."""
        self.ends = True
        if self.woken:
            self.woken.set()

    async def serve(self, beat: Callable[[], None], beat_s: float) -> None:
        """Serve and beat."""
        server = await asyncio.start_server(self.hear, sock=self.listening, limit=HEAD_BYTES, backlog=1024)
        self.woken = asyncio.Event()
        while not self.ends:
            beat()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.woken.wait(), beat_s)
        server.close()
        talks = asyncio.all_tasks() - {asyncio.current_task()}
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        self.slow.shutdown(wait=False)

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, if it comes in time."""
        source = str((writer.get_extra_info("peername") or ("",))[0])
        self.make_room(source)
        self.open[writer] = source
        try:
            await asyncio.wait_for(self.converse(reader, writer, source), WHOLE_S)
        except (asyncio.TimeoutError, OSError):  # noqa: UP041 - Python 3.9
            # Who hangs up, or is too slow, is let go.
            writer.transport.abort()
        finally:
            self.open.pop(writer, None)
            writer.close()

    def make_room(self, source: str) -> None:
        """Hang up on the oldest of too many."""
        own = [writer for writer, whose in self.open.items() if whose == source]
        for writer in own[:1] if len(own) >= OF_ONE else list(self.open)[:1] if len(self.open) >= OF_ALL else []:
            del self.open[writer]
            writer.transport.abort()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: str) -> None:
        """Read a request and write the answer."""
        try:
            answer = await self.answered(await read(reader, source))
        except BadRequest as error:
            answer = Answer(400, str(error))
        except EOFError:
            return
        content = f"{answer.text}\n".encode("utf-8", "replace")
        headers = (("Content-Type", answer.kind), ("Content-Length", str(len(content))), *answer.headers)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        status = f"{answer.status} {responses.get(answer.status, '')}"
        writer.write(f"HTTP/1.0 {status}\r\nConnection: close\r\n{head}\r\n".encode() + content)
        await writer.drain()
        # What is still on its way would make the system take the answer back.
        writer.write_eof()
        while await reader.read(HEAD_BYTES):
            pass

    async def answered(self, request: Request) -> Answer:
        """Return the answer, whoever has to be waited for."""
        found = self.respond(request)
        if isinstance(found, Answer):
            return found
        if self.waiting >= WAITING:
            return Answer(503, "Too many wait already.")
        self.waiting += 1
        try:
            return await self.loop.run_in_executor(self.slow, found)
        finally:
            self.waiting -= 1


async def read(reader: asyncio.StreamReader, source: str) -> Request:
    """Read a request.

    Raises EOFError when nothing came, and BadRequest for what is none.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise BadRequest("This is no request.") from None
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            raise EOFError from None
        raise BadRequest("This is no request.") from None
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise BadRequest("This is no request.")
    if words[0] != "POST":
        return Request(words[0], words[1], b"", source)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    return Request(words[0], words[1], await body(reader, headers.get("content-length", "")), source)


async def body(reader: asyncio.StreamReader, length: str) -> bytes:
    """Read a request's body; less of it where the sender ends before."""
    if not (length.isascii() and length.isdecimal()):
        raise BadRequest("The request does not say how long its body is.")
    size = int(length[:12])
    try:
        found = await reader.readexactly(min(size, DRAINED_BYTES))
    except asyncio.IncompleteReadError as error:
        found = error.partial
    if size > BODY_BYTES:
        raise BadRequest(f"The body has more than {BODY_BYTES} bytes.")
    return found
