"""Traffic: as many calls as asked, at what answers and at what does not."""

import asyncio

import pytest

from demo.faults import Fault, FaultKind
from demo.server import DemoOptions, DemoServer
from demo.traffic import Called, TrafficOptions, run
from runtime.clock import system_clock
from runtime.nats import natsserver

pytestmark = pytest.mark.anyio


async def test_every_call_is_made_and_told_of() -> None:
    broken = Fault(kind=FaultKind.STATUS, status=503, path="chat")
    server = DemoServer(DemoOptions(port=0, faults=[broken]), system_clock)
    await server.start()
    told: list[Called] = []
    mix = {"image": 1.0, "video": 1.0, "avatar": 1.0, "chat": 1.0}
    options = TrafficOptions(url=server.url, key="k", rate=2000, count=40, mix=mix)
    summary = await run(asyncio.Event(), options, told.append)
    await server.stop()

    assert summary.calls == len(told) == server.ledger.arrivals == 40
    assert set(summary.statuses) == {200, 503}
    assert summary.codes == {"no_answer": summary.statuses[503]}
    assert 0 < summary.p50_ms <= summary.p95_ms


async def test_no_gateway_is_no_answer_and_no_error() -> None:
    url = f"http://127.0.0.1:{natsserver.free_port()}"
    summary = await run(asyncio.Event(), TrafficOptions(url=url, count=3, rate=1000))
    assert summary.statuses == {0: 3}


async def test_what_is_no_http_is_no_answer() -> None:
    server = DemoServer(DemoOptions(port=0, faults=[Fault(kind=FaultKind.GARBAGE)]), system_clock)
    await server.start()
    summary = await run(asyncio.Event(), TrafficOptions(url=server.url, key="k", count=2, rate=99))
    await server.stop()

    assert summary.statuses == {0: 2}


async def test_it_ends_early_when_told() -> None:
    stop = asyncio.Event()
    stop.set()
    summary = await run(stop, TrafficOptions(count=1000, rate=1))

    assert (summary.calls, summary.p95_ms) == (0, 0.0)


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"count": -1}, {"mix": {}}, {"mix": {"x": 1}}, {"url": "ftp://x"}]
)
async def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TrafficOptions(**wrong)  # type: ignore[arg-type]
