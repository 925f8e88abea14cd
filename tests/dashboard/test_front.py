"""Behind a TLS front that shares its domain: every page works, and the cookie goes nowhere else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.fronts import tls_front
from tests.dashboard.site import PAGES, Site
from tests.e2e.stack import Stack

BASE = "/shared/tide"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A gateway that believes its front, and is reached below a path."""
    made = Stack(tmp_path_factory.mktemp("stack"), TIDEGATE_POOL_MIN_SIZE="5")
    gateway = f'[gateway]\nbase_path = "{BASE}"\ntrusted_proxies = ["127.0.0.1"]\n\n'
    try:
        made.configure(gateway + made.servers_toml("one"))
        made.start_all("one")
        yield made
    finally:
        made.close()


@pytest.fixture
def front(browser: Browser, stack: Stack, tmp_path: Path) -> Iterator[Site]:
    """A browser that reaches the gateway by https alone, below the path."""
    with tls_front(tmp_path, stack.ports["gateway"]) as url:
        site = Site(browser, stack)
        site.context.close()
        site.context = browser.new_context(ignore_https_errors=True, locale="en-GB")
        site.url = url + BASE
        yield site
        site.context.close()
        assert site.troubles == []


def test_pages_below_a_path_are_all_there_and_the_cookie_is_for_them_alone(front: Site) -> None:
    tab = front.sign_in()
    for name in PAGES:
        front.show(tab, name)
        expect(tab.locator("main [role=alert]")).to_have_count(0)
    front.show(tab, "log")
    expect(tab.locator(".true-at")).to_have_text("live")

    (cookie,) = front.context.cookies()

    assert (cookie["path"], cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (
        BASE,
        True,
        True,
        "Strict",
    )
    tab.get_by_role("button", name="Sign out").click()
    expect(tab.locator("input[name=key]")).to_be_visible()
    assert front.context.cookies() == []


def test_address_without_its_last_slash_leads_to_the_page(front: Site) -> None:
    tab = front.context.new_page()

    tab.goto(front.url)

    expect(tab.locator("input[name=key]")).to_be_visible()

    assert tab.url.split("#")[0] == f"{front.url}/"


def test_link_of_a_terminal_opens_below_the_path(front: Site) -> None:
    link = front.stack.api("/api/sign-in/links", "POST")["link"]
    tab = front.context.new_page()

    tab.goto(f"{front.url}/#in={link}")

    expect(tab.get_by_role("heading", level=1)).to_have_text("Overview")
