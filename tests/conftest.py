"""Real parts for tests: a nats-server with its streams, a connection to it."""

import faulthandler
import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats
import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import HealthCheck, settings
from nats.aio.client import Client

from runtime.nats import natsserver, streams

pytest_plugins = ["tests.workers"]
_TEARDOWN_S = 300.0

# How long an example takes, or is looked for, is the machine's affair: no test asserts a time.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a fixture of their module run in one process, so that it is made once.

    So do the rules of the house, which all read the trees of all modules.
    """
    for item in items:
        assert isinstance(item, pytest.Function)
        if item.path.parent.name == "house":
            item.add_marker(pytest.mark.xdist_group("house"))
        known = item._fixtureinfo.name2fixturedefs.values()
        shared = any(one.scope == "module" for ones in known for one in ones)
        if shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """End a process that cannot put its fixtures away, with its stacks.

    The clocks of a test end with its failure: where that is a loop that was broken off amid a test,
    the fixture that waits for the same loop would wait for ever, and the whole run with it.
    """
    faulthandler.dump_traceback_later(
        _TEARDOWN_S, exit=True, file=item.config.stash[fault_handler_stderr_fd_key]
    )
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_unconfigure() -> None:
    """Take back what hypothesis leaves with the collector: through it DuckDB's types live too long.

    They would outlive the interpreter, and DuckDB's binding calls that a leak (ADR 23).
    """
    left = "hypothesis."
    gc.callbacks[:] = [one for one in gc.callbacks if not one.__module__.startswith(left)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    """A nats-server of this test's own, without accounts."""
    port = natsserver.free_port()
    config = tmp_path / "nats.conf"
    config.write_text(natsserver.configuration_text(tmp_path / "nats", port, None))
    process = natsserver.start_server(config, tmp_path / "nats.log", port)
    yield f"nats://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


@pytest.fixture
async def nats_client(nats_url: str) -> AsyncIterator[Client]:
    """A connection to a server whose streams exist."""
    client = await nats.connect(nats_url)
    await streams.migrate_streams(client, 200_000_000)
    yield client
    await client.close()
