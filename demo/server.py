"""One demo server: what answers which path, what breaks on its way out, what was seen.

`/demo/…` is for whoever tests with it: `faults` (GET, POST a list or one, DELETE), `accounts` (the
same), `ledger`, `requests`. Everything else is the API of `api`.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from demo import api, roots
from demo.breakage import broken, send
from demo.dialects import BACKENDS
from demo.door import Door, Incoming, Outgoing
from demo.faults import Fault, FaultKind, Faults
from demo.ledger import Entry, Ledger, credential_hash
from demo.options import DemoOptions
from demo.tokens import Accounts
from runtime.clock import Clock, make_clock
from runtime.environment import read_environment
from runtime.process import logs

__all__ = ["DemoOptions", "DemoServer", "run"]

_ALWAYS_OPEN = "/demo/"


@dataclass(slots=True)
class Seen:
    """A request it remembers."""

    incoming: Incoming
    credential: str
    outcome: str = "gone"
    """`answered`, the fault that fell, or `gone` while nobody has the answer."""
    status: int = 0


class DemoServer:
    """A demo server on its sockets. Raises `OSError` from `start` where a port is taken."""

    def __init__(self, options: DemoOptions, now: Clock) -> None:
        self._options = options
        self._now = now
        self._zone = ZoneInfo(options.timezone)
        self._backend = BACKENDS.get(options.dialect)
        self._faults = Faults(options.faults, options.seed)
        self._accounts = Accounts()
        self._doors: set[Door] = set()
        self._listener: asyncio.Server | None = None
        self._control: asyncio.Server | None = None
        self._reopening: asyncio.Task[None] | None = None
        self.ledger = Ledger(options.ledger)
        self.seen: deque[Seen] = deque(maxlen=options.seen_max)
        self.port = options.port

    # ------------------------------------------------------------ its sockets

    async def start(self) -> None:
        """Listen."""
        await self._listen()
        if self._options.control_port:
            self._control = await self._bound(self._options.control_port)
        await self._obey()

    async def stop(self) -> None:
        """Close every socket and the ledger."""
        if self._reopening is not None:
            self._reopening.cancel()
        for listener in (self._listener, self._control):
            if listener is not None:
                listener.close()
        for door in list(self._doors):
            door.close()
        await asyncio.sleep(0)
        self.ledger.close()

    @property
    def url(self) -> str:
        """Its own address."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"http://{host}:{self.port}"

    async def _bound(self, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        within_s = self._options.request_within_s if self._backend is not None else None
        door = partial(Door, self.answer, self._now, self._doors, within_s)
        return await loop.create_server(door, self._options.host, port, backlog=1024)

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await self._bound(self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _obey(self) -> None:
        """Open or close the door as the faults say."""
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        refusing = [fault for fault in self._faults.faults if fault.kind is FaultKind.REFUSE]
        if not refusing:
            await self._listen()
            return
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for door in list(self._doors):
            if door.idle and not door.controls:
                door.close()
        if refusing[0].seconds:
            self._reopening = asyncio.create_task(self._reopen(refusing[0]))

    async def _reopen(self, refusing: Fault) -> None:
        await asyncio.sleep(refusing.seconds)
        with suppress(ValueError):
            self._faults.faults.remove(refusing)
        await self._listen()

    # ------------------------------------------------------------ answering

    async def answer(self, incoming: Incoming, door: Door) -> None:
        """Answer one request, or do to it what a fault says."""
        path = incoming.path
        if path.startswith(_ALWAYS_OPEN):
            door.controls = True
            door.send(await self._controlled(incoming))
            return
        credential = credential_hash(incoming.header(b"authorization"))
        seen = Seen(incoming, credential)
        self.seen.append(seen)
        service = api.service_of(path) if incoming.method == "POST" else ""
        latency_s = self._faults.latency_s(path, credential, generation=bool(service))
        if service:
            out, fault = self._served(incoming, service, credential)
            latency_s += self._faults.jittered_s(self._options.latency_ms, self._options.jitter_ms)
        else:
            fault = self._faults.falls(path, credential, generation=False, streamed=False)
            out = self._broken(self._plain(incoming), fault)
        incoming.kept = b""  # it is remembered without its body
        if latency_s:
            await asyncio.sleep(latency_s)
        seen.status = out.status
        await send(door, out, fault)
        seen.outcome = fault.kind.value if fault is not None else "answered"
        if self._listener is None and not door.controls:
            door.close()

    def _served(
        self, incoming: Incoming, service: str, credential: str
    ) -> tuple[Outgoing, Fault | None]:
        """Accept or refuse a generation request, and count it before anything else."""
        want = api.wanted(incoming, service, self._backend)
        streamed = isinstance(want, api.Wanted) and want.streamed
        fault = self._faults.falls(incoming.path, credential, generation=True, streamed=streamed)
        if fault is not None and fault.echo:
            told = f"{fault.message}: {incoming.header(b'authorization')}"
            fault = msgspec.structs.replace(fault, message=told)
        day = incoming.arrived.astimezone(self._zone).date().isoformat()
        why = ""
        units = 0
        if not credential:
            out, why = api.json({"code": -2002, "message": "no credential"}, 401), "unauthorized"
        elif isinstance(want, Outgoing):
            out, why = want, "refused"
        else:
            service = want.service
            units = want.n if self._options.units == "n" else 1
            limit = self._options.limits.get(service)
            out = api.generated(
                want, self._options.public_url or self.url, self._options.stream_interval_ms / 1000
            )
            if limit is not None and self.ledger.used(day, credential, service) + units > limit:
                out, why = api.refusal(api.QUOTA_USED_UP, "today's units are used up"), "limit"
        if fault is not None and not fault.serves:
            why = fault.kind.value
        self.ledger.add(
            Entry(
                incoming.arrived,
                day,
                credential,
                service,
                0 if why else units,
                incoming.header(b"x-request-id"),
                why,
            )
        )
        return self._broken(out, fault), fault

    def _broken(self, out: Outgoing, fault: Fault | None) -> Outgoing:
        """Say what is sent instead of `out`; a failure has the backend's own status."""
        sent = broken(out, fault)
        if fault is not None and fault.kind is FaultKind.CODE and self._backend is not None:
            sent.status = self._backend.status_of(fault.code)
        return sent

    def _plain(self, incoming: Incoming) -> Outgoing:
        """Answer what needs no credential and counts nowhere."""
        route = (incoming.method, incoming.path)
        if route == ("GET", "/ping"):
            return Outgoing(body=b"pong", kind="text/plain")
        if route == ("GET", "/v1/models"):
            return api.models(*([self._backend.owner] if self._backend else []))
        if self._backend is not None:
            return (
                roots.root(incoming, self._backend)
                or self._accounts.answered(self._backend, incoming)
                or api.drawn(incoming)
                or roots.nowhere(incoming, self._backend)
            )
        if route == ("POST", "/token/check"):
            return api.token_check(incoming)
        if route == ("POST", "/token/points"):
            tokens = incoming.header(b"authorization").removeprefix("Bearer ").split(",")
            return api.token_points([credential_hash(token) for token in tokens if token.strip()])
        return api.drawn(incoming) or api.json({"code": 404, "message": "no such path"}, 404)

    # ------------------------------------------------------------ for whoever tests with it

    async def _controlled(self, incoming: Incoming) -> Outgoing:
        route = (incoming.method, incoming.path)
        if route == ("GET", "/demo/ledger"):
            return api.json(self.ledger.summary())
        if route == ("GET", "/demo/requests"):
            return api.json({"requests": list(self._remembered(incoming.query))})
        if route[1] == "/demo/accounts":
            return self._accounts.controlled(incoming)
        if incoming.path != "/demo/faults":
            return api.json({"error": "no such path"}, 404)
        if incoming.method == "POST":
            try:
                faults = msgspec.json.decode(incoming.kept, type=Fault | list[Fault])
            except msgspec.DecodeError as error:
                return api.json({"error": str(error)}, 400)
            self._faults.faults = faults if isinstance(faults, list) else [faults]
        elif incoming.method == "DELETE":
            self._faults.faults = []
        if incoming.method in {"POST", "DELETE"}:
            await self._obey()
        return api.json({"faults": self._faults.faults})

    def _remembered(self, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Tell of requests, the last first; `path`, `request_id`, `credential`, `limit` choose."""
        limit = query.get("limit", "")
        left = int(limit) if limit.isdecimal() else 100
        for seen in reversed(self.seen):
            incoming = seen.incoming
            if (
                left > 0
                and query.get("path", "") in incoming.path
                and seen.credential.startswith(query.get("credential", ""))
                and query.get("request_id", "") in incoming.header(b"x-request-id")
            ):
                left -= 1
                yield _told(seen)


def _told(seen: Seen) -> dict[str, Any]:
    incoming = seen.incoming
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        if name.lower() != b"authorization"
        else (name.decode("latin-1"), f"sha256:{seen.credential}")
        for name, value in incoming.headers
    ]
    return {
        "at": incoming.arrived,
        "method": incoming.method,
        "target": incoming.target,
        "headers": headers,
        "credential": seen.credential,
        "request_id": incoming.header(b"x-request-id"),
        "body_bytes": incoming.body_bytes,
        "body_sha256": incoming.body_sha256,
        "status": seen.status,
        "outcome": seen.outcome,
    }


async def run(stop: asyncio.Event, options: DemoOptions) -> None:
    """Serve until `stop` is set."""
    log = logs.configure_logs("demo")
    offset = options.clock_offset_file or read_environment().clock_offset_file
    server = DemoServer(options, make_clock(offset))
    await server.start()
    log.info("serving", url=server.url, region=options.region)
    try:
        await stop.wait()
    finally:
        await server.stop()
