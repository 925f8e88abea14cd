"""One stack of containers for all tests of this folder: they leave it as well as they found it."""

from collections.abc import Iterator

import pytest

from tests.compose.containers import Containers

CONFIGURATION = """
[services.image]
daily_limit = 200

[pool]
min_size = 50
max_size = 60
refresh_threshold = 0
lease_ttl = "20s"
session_concurrency = 0

[pool.provisioner]
kind = "generated"

[balancer]
probe_interval = "1s"
"""
REPORT: list[str] = []
"""What was measured; told at the end, and never asserted."""
PLANTED = {
    "TIDEGATE_ADMIN_KEY": "sk-admin-planted-for-the-tests-of-containers",
    "TIDEGATE_SECRET_KEY": "master-key-planted-for-the-tests-of-containers",
}
"""What `.env` gives."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """A configuration and a key of the operator's; two of the demo servers have work."""
    made = Containers(tmp_path_factory.mktemp("clone"))
    made.configure(CONFIGURATION + made.servers())
    example = (made.folder / ".env.example").read_text()
    for name, secret in PLANTED.items():
        assert f"#{name}=\n" in example
        example = example.replace(f"#{name}=\n", f"{name}={secret}\n")
    (made.folder / ".env").write_text(example)
    try:
        made.up("--build")
        yield made
    finally:
        made.down()


@pytest.fixture(autouse=True)
def mended(request: pytest.FixtureRequest) -> None:
    """No fault of an earlier test is left at the servers."""
    if "stack" in request.fixturenames:
        stack = request.getfixturevalue("stack")
        for name in stack.names:
            stack.faults(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REPORT:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(REPORT))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Boot first: two stacks at once are a load that nobody asked for."""
    items.sort(key=lambda item: "test_boot" not in item.nodeid)
