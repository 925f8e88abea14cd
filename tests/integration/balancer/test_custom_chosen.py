"""A strategy of an operator's own chooses in a real balancer; what fails loses no call."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from nats.aio.client import Client

from contracts.balancer import PinStrategy, Selected, SetStrategy, StrategyFailed
from contracts.base import Failed
from services.balancer.custom import host
from tests.integration.balancer.bench import Bench
from tests.tinyserver import listening
from tests.unit.balancer.builders import wanted
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
LAST = "def choose(servers, criteria): return servers[-1]['id']"


@pytest.fixture
async def bench(
    nats_client: Client, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bench:
    monkeypatch.chdir(tmp_path)
    return Bench(nats_client, nats_url, tmp_path)


def choosing(bench: Bench, code: str, *ports: int) -> None:
    """Configure servers, and a strategy of this code among them."""
    (bench.home / "ours.py").write_text(code)
    bench.named(*ports)
    section = replace(bench.settings.balancer, strategy="ours.py:choose")
    bench.settings = replace(bench.settings, balancer=section)


async def chosen_by_batch(bench: Bench, round_: int) -> list[str]:
    """Ten calls in one batch: whom each got, of whatever strategy."""
    answers = await bench.select(*[wanted(f"r{round_}.{number}") for number in range(10)])
    assert all(isinstance(answer, Selected) for answer in answers), answers
    return [answer.server_id for answer in answers]  # type: ignore[union-attr]


async def test_it_chooses_and_is_told_as_the_strategy(bench: Bench) -> None:
    async with listening() as one, listening() as two:
        choosing(bench, LAST, one, two)
        async with bench.balancer():
            await bench.well(2)

            async def all_second() -> bool:
                answers = await bench.select(*[wanted("") for _ in range(10)])
                return {answer.server_id for answer in answers} == {"server-2"}  # type: ignore[union-attr]

            await eventually(all_second)

            (answer,) = await bench.select(wanted("r.1"))

            assert isinstance(answer, Selected)
            assert answer.strategy == "ours.py:choose"
            assert answer.candidates[0].server_id == "server-2"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def choose(*_): raise KeyError('no')", "KeyError"),
        ("def choose(*_): __import__('time').sleep(60)", "no answer within 50 ms"),
        ("def choose(*_): return 'server-9'", "it named 'server-9', which may not be chosen"),
        ("def choose(*_): __import__('os')._exit(1)", "its process ended"),
        ("raise SystemExit('not today')", "SystemExit: not today"),
        ("def choose(servers, criteria): servers.clear(); return None", "it returned NoneType"),
    ],
)
async def test_one_that_fails_loses_no_call_and_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    monkeypatch.setattr(host, "AGAIN_FIRST_S", 0.05)
    async with listening() as one, listening() as two:
        choosing(bench, code, one, two)
        async with bench.balancer():
            await bench.well(2)
            rounds = 0

            async def is_told() -> bool:
                nonlocal rounds
                rounds += 1
                names = await chosen_by_batch(bench, rounds)
                assert (names.count("server-1"), names.count("server-2")) == (5, 5)
                return bool((await bench.status()).strategy_trouble)

            await eventually(is_told)

            (last,) = await bench.select(wanted(""))
            assert isinstance(last, Selected)
            assert last.strategy == "least_connections"
            assert last.why.startswith("ours.py:choose named ")
            (failed, *_) = [e for e in await bench.journal() if isinstance(e, StrategyFailed)]
            assert failed.strategy == "ours.py:choose"
            assert failed.reason.startswith(reason)
            status = await bench.status()
            assert reason in status.strategy_trouble
            assert sum(view.connections for view in status.servers) == 10 * rounds


async def test_a_file_that_is_not_there_is_refused_by_name(bench: Bench) -> None:
    async with listening() as one, bench.balancer():
        bench.named(one)
        await bench.well(1)
        commands = (
            SetStrategy(strategy="nope.py:choose", reason="x", by="key-1"),
            PinStrategy(strategy="nope.py:choose", by="key-1"),
        )

        answers = [await bench.admin(command) for command in commands]

        for answer in answers:
            assert isinstance(answer, Failed)
            assert answer.message.startswith("strategy: there is no file ")
            assert "nope.py" in answer.message
        assert (await bench.status()).strategy == "least_connections"
