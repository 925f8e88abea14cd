"""Every page of the docs as it stands, typed at a stack that runs: whatever no other test types."""

from collections.abc import Iterator

import pytest

from runtime.nats import natsserver
from tests.e2e.docblocks import Block, Typist
from tests.e2e.docpages import pages_typed_here, untyped

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
INSTEAD = {
    "docs/how-to/rotate-the-master-key.md": {
        "(umask": "TIDEGATE_SECRET_KEY=$(cat .tidegate/secrets/master.key); (umask"
    },
    "docs/runbook.md": {"/var/backups/": "", "2026-01-05": "$(date +%F)"},
}
"""What a page names that is somebody's own, and what it is here."""
_ANOTHER_KEY = "$(tidegate keys issue another --json | grep -o 'key_[0-9a-f]*')"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typist]:
    """A clone in which the demo runs, and was called once."""
    port = str(natsserver.free_port())
    made = Typist(tmp_path_factory.mktemp("pages") / "clone", {"8080": port}, TIDEGATE_PORT=port)
    url = f"http://127.0.0.1:{port}"
    try:
        made.type_block(Block("sh", "exec tidegate up", "stays: tidegate doctor"))
        call = f'-H "Authorization: Bearer $(cat .tidegate/client.key)" {url}/v1/images/generations'
        json = "-H 'Content-Type: application/json' -d '{\"prompt\":\"a gate\"}'"
        made.type_block(Block("sh", f"curl -s --fail-with-body {json} {call}"))
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("page", pages_typed_here())
def test_page_can_be_typed_as_it_stands(stack: Typist, page: str) -> None:
    own = {
        "9999": str(natsserver.free_port()),
        "key_0123456789abcdef": _ANOTHER_KEY,
        **INSTEAD.get(page, {}),
    }
    operator = (stack.clone / ".tidegate" / "operator.key").read_text()
    address = f"http://127.0.0.1:{stack.environment['TIDEGATE_PORT']}"
    typist = Typist(
        stack.clone,
        {**stack.instead, **own},
        TIDEGATE_PORT=stack.environment["TIDEGATE_PORT"],
        TIDEGATE_API=address,
        KEY=operator,
    )
    try:
        typist.type_page(page, untyped(page))
    finally:
        typist.stop()
