"""Pages that begin with nothing: the front page twice, own servers, an own NATS."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.nats import natsserver
from tests.e2e.docblocks import Block, Typist, blocks_of
from tests.e2e.docpages import untyped

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def new_typist(tmp_path: Path) -> Iterator[Callable[[], Typist]]:
    """Make somebody with a clone and ports of their own."""
    made: list[Typist] = []

    def make() -> Typist:
        ports = {port: str(natsserver.free_port()) for port in ("8080", "8000")}
        made.append(Typist(tmp_path / f"clone-{len(made)}", ports, TIDEGATE_PORT=ports["8080"]))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_front_page_can_be_typed_as_it_stands(new_typist: Callable[[], Typist], page: str) -> None:
    typist = new_typist()

    typist.type_page(page, untyped(page))

    said = "\n".join(typist.said)
    assert ("/pictures/" in said, "no violation" in said) == (True, True)


def test_page_of_own_servers_can_be_typed_as_it_stands(new_typist: Callable[[], Typist]) -> None:
    typist = new_typist()
    backend = typist.as_here("exec tidegate demo server --port 8000")
    typist.type_block(Block("sh", backend, "stays: curl -sf http://127.0.0.1:8000/ping"))

    typist.type_page("docs/how-to/own-servers.md", untyped("docs/how-to/own-servers.md"))

    said = "\n".join(typist.said)
    assert "a call would succeed now" in said


def test_page_of_an_own_nats_can_be_typed_as_it_stands(new_typist: Callable[[], Typist]) -> None:
    """Between its blocks stands what is done to the NATS: the file is loaded into it."""
    typist = new_typist()
    port = natsserver.free_port()
    url = f"nats://127.0.0.1:{port}"
    typist.instead["nats://10.0.0.5:4222"] = url
    make_secrets, make_streams = [
        block for block in blocks_of("docs/how-to/own-nats.md") if block.kind == "sh"
    ]

    typist.type_block(make_secrets)
    nats = typist.clone / ".tidegate" / "secrets"
    config = nats / "server.conf"
    config.write_text(
        natsserver.configuration_text(typist.clone / "nats", port, nats / "nats.conf")
    )
    process = natsserver.start_server(config, typist.clone / "nats.log", port)
    try:
        typist.environment["TIDEGATE_NATS_URL"] = url
        typist.type_block(make_streams)
    finally:
        process.terminate()
        process.wait(20)

    assert typist.said[-1].startswith("made EVT, ")
