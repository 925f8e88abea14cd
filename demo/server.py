"""One demo server: what answers which path, what breaks on its way out, what was seen.

`/demo/…` is for whoever tests with it: `faults` (GET, POST a list or one, DELETE), `accounts` (the
same), `ledger`, `requests`. Everything else is the API of `api`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from demo import api, roots
from demo.breakage import break_answer, send_answer
from demo.dialects import BACKENDS
from demo.door import DemoAnswer, DemoDoor, Incoming
from demo.faults import Fault, FaultKind, Faults
from demo.ledger import DemoLedger, Entry, credential_hash
from demo.options import DemoOptions
from demo.tokens import Accounts
from runtime.clock import Clock, make_clock
from runtime.environment import read_environment
from runtime.process import logs

__all__ = ["DemoOptions", "DemoServer", "run"]

_ALWAYS_OPEN = "/demo/"
_NO_CREDENTIAL = {"code": -2002, "message": "no credential"}
_NO_PATH = {"code": 404, "message": "no such path"}


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
        self._doors: set[DemoDoor] = set()
        self._listener: asyncio.Server | None = None
        self._control: asyncio.Server | None = None
        self._reopening: asyncio.Task[None] | None = None
        self.ledger = DemoLedger(options.ledger)
        self.seen: deque[Seen] = deque(maxlen=options.seen_max)
        self.port = options.port

    # ------------------------------------------------------------ its sockets

    async def start(self) -> None:
        """Listen."""
        await self._open_listener()
        if self._options.control_port:
            self._control = await self._bind_port(self._options.control_port)
        await self._obey_faults()

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

    async def _bind_port(self, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        within_s = self._options.request_within_s if self._backend is not None else None
        door = partial(DemoDoor, self.answer_request, self._now, self._doors, within_s)
        return await loop.create_server(door, self._options.host, port, backlog=1024)

    async def _open_listener(self) -> None:
        if self._listener is None:
            self._listener = await self._bind_port(self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _obey_faults(self) -> None:
        """Open or close the door as the faults say."""
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        refusing = [fault for fault in self._faults.faults if fault.kind is FaultKind.REFUSE]
        if not refusing:
            await self._open_listener()
            return
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for door in list(self._doors):
            if door.idle and not door.controls:
                door.close()
        if refusing[0].seconds:
            self._reopening = asyncio.create_task(self._reopen_later(refusing[0]))

    async def _reopen_later(self, refusing: Fault) -> None:
        await asyncio.sleep(refusing.seconds)
        with suppress(ValueError):
            self._faults.faults.remove(refusing)
        await self._open_listener()

    # ------------------------------------------------------------ answering

    async def answer_request(self, incoming: Incoming, door: DemoDoor) -> None:
        """Answer one request, or do to it what a fault says."""
        path = incoming.path
        if path.startswith(_ALWAYS_OPEN):
            door.controls = True
            door.send_answer(await self._control_answer(incoming))
            return
        credential = credential_hash(incoming.header(b"authorization"))
        seen = Seen(incoming, credential)
        self.seen.append(seen)
        service = api.service_of(path) if incoming.method == "POST" else ""
        latency_s = self._faults.latency_s(path, credential, generation=bool(service))
        if service:
            out, fault = self._serve_generation(incoming, service, credential)
            latency_s += self._faults.jittered_s(self._options.latency_ms, self._options.jitter_ms)
        else:
            fault = self._faults.take_fault(path, credential, generation=False, streamed=False)
            out = self._break_answer(self._plain_answer(incoming), fault)
        incoming.kept = b""  # it is remembered without its body
        if latency_s:
            await asyncio.sleep(latency_s)
        seen.status = out.status
        await send_answer(door, out, fault)
        seen.outcome = fault.kind.value if fault is not None else "answered"
        if self._listener is None and not door.controls:
            door.close()

    def _serve_generation(
        self, incoming: Incoming, service: str, credential: str
    ) -> tuple[DemoAnswer, Fault | None]:
        """Accept or refuse a generation request, and count it before anything else."""
        want = api.parse_generation(incoming, service, self._backend)
        streamed = isinstance(want, api.WantedGeneration) and want.streamed
        fault = self._faults.take_fault(
            incoming.path, credential, generation=True, streamed=streamed
        )
        if fault is not None and fault.echo:
            message = f"{fault.message}: {incoming.header(b'authorization')}"
            fault = msgspec.structs.replace(fault, message=message)
        day = incoming.arrived.astimezone(self._zone).date().isoformat()
        why, units = "", 0
        if not credential:
            out, why = api.json_answer(_NO_CREDENTIAL, 401), "unauthorized"
        elif isinstance(want, DemoAnswer):
            out, why = want, "refused"
        else:
            service = want.service
            units = want.n if self._options.units == "n" else 1
            limit = self._options.limits.get(service)
            out = api.generation_answer(
                want, self._options.public_url or self.url, self._options.stream_interval_ms / 1000
            )
            used = self.ledger.units_used(day, credential, service)
            if limit is not None and used + units > limit:
                out, why = api.as_refusal(api.QUOTA_USED_UP, "today's units are used up"), "limit"
        if fault is not None and not fault.serves:
            why = fault.kind.value
        request_id = incoming.header(b"x-request-id")
        counted = 0 if why else units
        entry = Entry(incoming.arrived, day, credential, service, counted, request_id, why)
        self.ledger.add_entry(entry)
        return self._break_answer(out, fault), fault

    def _break_answer(self, out: DemoAnswer, fault: Fault | None) -> DemoAnswer:
        """Say what is sent instead of `out`; a failure has the backend's own status."""
        sent = break_answer(out, fault)
        if fault is not None and fault.kind is FaultKind.CODE and self._backend is not None:
            sent.status = self._backend.status_of(fault.code)
        return sent

    def _plain_answer(self, incoming: Incoming) -> DemoAnswer:
        """Answer what needs no credential and counts nowhere."""
        route = (incoming.method, incoming.path)
        if route == ("GET", "/ping"):
            return DemoAnswer(body=b"pong", kind="text/plain")
        if route == ("GET", "/v1/models"):
            return api.model_list(*([self._backend.owner] if self._backend else []))
        if self._backend is not None:
            return (
                roots.root_answer(incoming, self._backend)
                or self._accounts.token_answer(self._backend, incoming)
                or api.picture_answer(incoming)
                or roots.no_path_answer(incoming, self._backend)
            )
        if route == ("POST", "/token/check"):
            return api.token_check(incoming)
        if route == ("POST", "/token/points"):
            tokens = incoming.header(b"authorization").removeprefix("Bearer ").split(",")
            return api.token_points([credential_hash(token) for token in tokens if token.strip()])
        return api.picture_answer(incoming) or api.json_answer(_NO_PATH, 404)

    # ------------------------------------------------------------ for whoever tests with it

    async def _control_answer(self, incoming: Incoming) -> DemoAnswer:
        """Answer whoever tests with it."""
        route = (incoming.method, incoming.path)
        if route == ("GET", "/demo/ledger"):
            return api.json_answer(self.ledger.as_summary())
        if route == ("GET", "/demo/requests"):
            return api.json_answer({"requests": list(self._request_reports(incoming.query))})
        if route[1] == "/demo/accounts":
            return self._accounts.control_answer(incoming)
        if incoming.path != "/demo/faults":
            return api.json_answer({"error": "no such path"}, 404)
        if incoming.method == "POST":
            try:
                faults = msgspec.json.decode(incoming.kept, type=Fault | list[Fault])
            except msgspec.DecodeError as error:
                return api.json_answer({"error": str(error)}, 400)
            self._faults.faults = faults if isinstance(faults, list) else [faults]
        elif incoming.method == "DELETE":
            self._faults.faults = []
        if incoming.method in {"POST", "DELETE"}:
            await self._obey_faults()
        return api.json_answer({"faults": self._faults.faults})

    def _request_reports(self, query: dict[str, str]) -> Iterator[dict[str, Any]]:
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
                yield _seen_report(seen)


def _seen_report(seen: Seen) -> dict[str, Any]:
    """Write what was seen of a request, without its credential."""
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


async def run(
    stop: asyncio.Event, options: DemoOptions, announce: Callable[[str], None] | None = None
) -> None:
    """Serve until `stop` is set; `announce` is told where, instead of the log."""
    log = logs.configure_logs("demo")
    offset = options.clock_offset_file or read_environment().clock_offset_file
    server = DemoServer(options, make_clock(offset))
    await server.start()
    if announce is None:
        log.info("serving", url=server.url, region=options.region)
    else:
        announce(server.url)
    try:
        await stop.wait()
    finally:
        await server.stop()
