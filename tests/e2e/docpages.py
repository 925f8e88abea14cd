"""Which test types which page of the docs, and the few blocks that none types, and why."""

from typing import NamedTuple

from tests.e2e.docblocks import COMMANDS, Block, all_pages, blocks_of

ELSEWHERE = {
    "README.md": "tests/e2e/test_pages_from_nothing.py",
    "README.zh-CN.md": "tests/e2e/test_pages_from_nothing.py",
    "docs/clients.md": "tests/e2e/test_clients_page.py",
    "docs/how-to/first-day-in-production.md": "tests/e2e/test_pages_of_production.py",
    "docs/how-to/own-nats.md": "tests/e2e/test_pages_from_nothing.py",
    "docs/how-to/own-servers.md": "tests/e2e/test_pages_from_nothing.py",
    "docs/how-to/upgrade.md": "tests/e2e/test_pages_of_production.py",
    "docs/reference/commands.md": "tests/e2e/test_examples.py",
    "docs/tutorial.md": "tests/e2e/test_tutorial.py",
    "docs/walk.md": "tests/walk/page.py",
}
"""Pages that need arrangements of their own; all others are typed by `test_pages.py`."""


class Untyped(NamedTuple):
    """Blocks of a page that begin so, and why no test types them."""

    page: str
    begins: str
    reason: str


_CONTAINERS = "needs a container engine: typed by tests/compose/test_pages.py, where there is one"
_CLUSTER = "the same stack is started by tests/compose/cluster"
_MINUTES = "takes minutes and is itself a test; its target is looked for"
NOT_TYPED = (
    Untyped("README.md", "docker compose", _CONTAINERS),
    Untyped("README.zh-CN.md", "docker compose", _CONTAINERS),
    Untyped("docs/explanation/balancing.md", "make simulate-balancer", _MINUTES),
    Untyped("docs/explanation/failing-servers.md", "make failing", _MINUTES),
    Untyped("docs/explanation/simulation.md", "make simulate", _MINUTES),
    Untyped("docs/explanation/survival.md", "make chaos", _MINUTES),
    Untyped("docs/explanation/survival.md", "make soak", _MINUTES),
    Untyped("docs/how-to/compose.md", "docker compose -f", _CLUSTER),
    Untyped("docs/how-to/compose.md", "docker compose", _CONTAINERS),
    Untyped("docs/how-to/compose.md", "export CLIENT_KEY=$(docker compose", _CONTAINERS),
    Untyped("docs/how-to/compose.md", "sudo install -d -o 10001", _CONTAINERS),
    Untyped("docs/how-to/compose.md", "TIDEGATE_PORT=8080-8081 docker compose", _CONTAINERS),
    Untyped("docs/how-to/first-day-in-production.md", "cp .env.example .env", _CONTAINERS),
    Untyped("docs/how-to/rotate-the-master-key.md", "docker compose", _CONTAINERS),
    Untyped("docs/how-to/rotate-the-master-key.md", "printf %s", _CONTAINERS),
)


def untyped(page: str) -> list[Block]:
    """The blocks of a page that are not typed."""
    return [
        block
        for block in blocks_of(page)
        if any(one.page == page and block.text.startswith(one.begins) for one in NOT_TYPED)
    ]


def pages_typed_here() -> list[str]:
    """Name the pages that `test_pages.py` types: whichever has a command, and no other test."""
    return [
        page
        for page in all_pages()
        if page not in ELSEWHERE
        and any(block.kind in COMMANDS for block in blocks_of(page) if block not in untyped(page))
    ]
