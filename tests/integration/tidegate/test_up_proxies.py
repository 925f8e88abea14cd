"""`tidegate up` and the verbs where the environment names proxies: nobody asks them anything."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.nats import natsserver
from tests.integration.tidegate.up import Up

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up"), pytest.mark.timeout(240)]
_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class Listening:
    """A proxy that answers nothing, and counts whoever comes."""

    def __init__(self) -> None:
        self.asked = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return
            self.asked += 1


@pytest.fixture
def proxy() -> Iterator[Listening]:
    listening = Listening()
    yield listening
    listening.socket.close()


def test_up_and_the_verbs_go_past_every_proxy_of_the_environment(
    tmp_path: Path, proxy: Listening
) -> None:
    named = dict.fromkeys((*_NAMES, *map(str.lower, _NAMES)), proxy.url)
    named |= {"NO_PROXY": "example.org", "no_proxy": "example.org", "TIDEGATE_POOL_MIN_SIZE": "2"}
    up = Up(tmp_path / "home", natsserver.free_port(), **named)
    try:
        up.start()

        assert up.curl()["data"]
        for verb in (["keys", "list"], ["doctor"], ["report", "daily"], ["audit"]):
            done = up.run(*verb)
            assert done.returncode == 0, (verb, done.stdout, done.stderr)
        done = up.run("demo", "traffic", "--count", "2")
        assert done.returncode == 0, done.stderr
        assert proxy.asked == 0
    finally:
        up.stop()
