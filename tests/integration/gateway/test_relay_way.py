"""A real request passes the functions that ARCHITECTURE.md names, in that order."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from nats.aio.client import Client

from contracts.pool import UsageRecorded
from tests import ROOT
from tests.integration.balancer.bench import Bench
from tests.integration.gateway.bench import front, saying
from tests.integration.gateway.upstreams import upstream

pytestmark = pytest.mark.anyio


def named_way() -> list[str]:
    """What the page names, line by line."""
    page = (ROOT / "ARCHITECTURE.md").read_text()
    section = page.partition("## A request's way")[2].partition("\n## ")[0]
    lines = re.findall(r"^\d+\. .*(?:\n   .*)*$", section, re.MULTILINE)
    assert len(lines) == 10
    names = [name for line in lines for name in re.findall(r"`([\w.]+)`", line)]
    return [name for name in names if name != "Journey"]


@contextmanager
def traced(passed: list[str]) -> Iterator[None]:
    """Note every function of ours by its qualified name, at its first call."""
    ours = tuple(str(ROOT / floor) for floor in ("services", "runtime"))

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(ours):
            passed.append(code.co_qualname)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)


async def test_a_request_goes_the_way_that_the_page_names(
    nats_client: Client, nats_url: str, tmp_path: Path
) -> None:
    passed: list[str] = []
    bench = Bench(nats_client, nats_url, tmp_path / "balancer")
    answer = saying(200, b'{"data":[{"url":"u"}]}', "Content-Type: application/json")
    async with upstream(answer) as server, front(nats_client, nats_url, tmp_path) as gate:
        bench.named(int(server.url.split(":")[2].split("/")[0]))
        async with bench.balancer():
            await bench.well(1)

            assert (await gate.ask()).status_code == 200

            await gate.journalled(UsageRecorded)
            with traced(passed):
                assert (await gate.ask()).status_code == 200
                await gate.journalled(UsageRecorded)

    first = {name: at for at, name in reversed(list(enumerate(passed)))}
    way = named_way()
    assert [name for name in way if name not in first] == []
    assert sorted(way, key=lambda name: first[name]) == way
