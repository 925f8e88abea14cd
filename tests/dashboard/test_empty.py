"""A stack on its first day: nothing is there, and every page says what to do next."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.site import PAGES, Site, act, axe_findings, events_of, overflow_of
from tests.e2e.stack import Stack

NOTHING = "servers = []\n"
NEXT = {
    "requests": "Make one in the playground",
    "sessions": "Add sessions",
    "servers": "Name them in the configuration ([[servers]]), or add one here.",
    "usage": "Choose more days, or make a call in the playground.",
    "audit": "tidegate audit",
    "playground": "Issue a key",
}
"""What an empty page offers."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """No server, no session, no call: neither balancer nor gateway calls itself ready."""
    made = Stack(
        tmp_path_factory.mktemp("stack"),
        TIDEGATE_POOL_PROVISIONER_KIND="none",
        TIDEGATE_POOL_MIN_SIZE="0",
    )
    try:
        made.configure(NOTHING)
        made.start_nats()
        for service in ("pool", "balancer", "analytics"):
            made.start(service, service)
        made.start_gateway()
        made.ready("pool", "analytics")
        made.wait_url(f"{made.url()}/ping", "gateway")
        made.eventually(lambda: [*made.api("/api/overview")["silent"]], [])
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "zh")])
def test_empty_page_is_within_bounds_and_says_what_to_do(
    reader: tuple[Site, Page], name: str, theme: str, language: str
) -> None:
    site, tab = reader
    tab.set_viewport_size({"width": 1440, "height": 900})
    site.turn_to(tab, theme, language)
    site.show(tab, name)
    said = tab.locator("main").inner_text()
    beyond = {}
    for width in (390, 768, 1440):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_timeout(150)
        beyond[width] = overflow_of(tab)
    findings = axe_findings(tab)

    assert (beyond, findings) == ({390: [], 768: [], 1440: []}, [])
    assert language != "en" or NEXT.get(name, "") in said


def test_held_configuration_is_accepted(site: Site) -> None:
    """A server comes by the file, and would go with it: that is held until somebody says yes."""
    stack = site.stack
    stack.configure(stack.servers_toml("one"))
    stack.eventually(lambda: len(events_of(stack, "server_added")), 1, 40)
    stack.configure(NOTHING)
    stack.eventually(lambda: stack.api("/api/config")["held"] is not None, True, 40)
    digest = stack.api("/api/config")["held"]["digest"]
    tab = site.sign_in("settings")
    expect(tab.locator(".note.warn")).to_contain_text("It would take away: one")

    accepted = act(site, tab, "Accept it", "configuration_accepted")

    stack.eventually(
        lambda: [one["server_id"] for one in events_of(stack, "server_removed")], ["one"]
    )

    assert accepted["digest"] == digest
