"""One Chromium for all, one stack for each module."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.dashboard.site import Site
from tests.e2e.stack import Stack

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium: the system's own."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two demo servers and 200 sessions behind three gateways, with some calls made."""
    made = Stack(
        tmp_path_factory.mktemp("stack"),
        TIDEGATE_POOL_MIN_SIZE="200",
        TIDEGATE_POOL_MAX_SIZE="5000",
    )
    try:
        made.configure(made.servers_toml("one", "two"))
        made.start_all("one", "two", gateways=3)
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def reader(browser: Browser, stack: Stack) -> Iterator[tuple[Site, Page]]:
    """A browser that is signed in once, for every page in every look."""
    site = Site(browser, stack)
    yield site, site.sign_in()
    site.context.close()
    assert site.troubles == []


@pytest.fixture
def new_site(browser: Browser, stack: Stack) -> Iterator[Callable[..., Site]]:
    """Make a browser's context at a gateway, which ends with the test and has no complaint."""
    made: list[Site] = []

    def make(gateway: str = "gateway") -> Site:
        made.append(Site(browser, stack, gateway))
        return made[-1]

    yield make
    for one in made:
        one.context.close()
        assert one.troubles == []


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    """A browser at the first gateway."""
    return new_site()
