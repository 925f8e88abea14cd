"""Every page in both languages and both themes, at three widths: readable, within bounds, calm."""

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.site import PAGES, Site, axe_findings, overflow_of
from tests.e2e.stack import Stack
from tests.waiting import wait_for

CALLS, REFUSED = 12, 3
WIDTHS = (390, 768, 1440)
LONG = "a-name-that-is-rather-longer-than-anybody-who-drew-the-page-expected-it"


@pytest.fixture(scope="module", autouse=True)
def calls(stack: Stack) -> None:
    """A page that shows nothing proves nothing: some calls, errors, one long name everywhere."""
    for name in ("one", "two"):
        stack.faults(name, kind="status", status=400, message=LONG)
    assert [stack.image().status_code for _ in range(REFUSED)] == [400] * REFUSED
    for name in ("one", "two"):
        stack.faults(name)
    key = {"Authorization": f"Bearer {stack.client_key}"}
    for number in range(CALLS):
        body = {"model": LONG if number % 3 == 0 else "jimeng-4.0", "prompt": "a gate"}
        httpx.post(
            f"{stack.url()}/v1/images/generations", json=body, headers=key, timeout=20
        ).raise_for_status()
    stack.api("/api/keys", "POST", json={"name": LONG[:60]})
    session = stack.api("/api/sessions?limit=1")["data"][0]["session_id"]
    changed = {"label": LONG[:64], "cool_s": 3600, "reason": LONG}
    stack.api(f"/api/sessions/{session}", "PATCH", json=changed)
    server = {"id": LONG[:64], "url": "http://127.0.0.1:1", "region": LONG[:64]}
    stack.api("/api/servers", "POST", json=server)


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_page_is_within_bounds_and_axe_finds_nothing(
    reader: tuple[Site, Page], name: str, theme: str, language: str
) -> None:
    site, tab = reader
    tab.set_viewport_size({"width": WIDTHS[-1], "height": 900})
    site.turn_to(tab, theme, language)
    site.show(tab, name)
    said = tab.locator("main h1").inner_text()
    beyond = {}
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_timeout(150)
        beyond[width] = overflow_of(tab)
    findings = axe_findings(tab)

    assert beyond == {width: [] for width in WIDTHS}
    assert findings == []
    assert any(ord(letter) > 0x2E80 for letter in said) == (language == "zh" and name != "sql")
    assert tab.evaluate("document.documentElement.dataset.theme") == theme


def test_request_opens_its_life_and_why(site: Site) -> None:
    tab = site.sign_in("requests")
    tab.locator("tr[data-row]").first.click()

    expect(tab.locator(".lane svg[role=img]").first).to_be_visible()
    expect(tab.locator(".lane")).to_contain_text("settled")

    assert overflow_of(tab) == []
    assert axe_findings(tab) == []


def completes(tab: Page) -> bool:
    """Whether the editor offers something; it is asked again if not."""
    if tab.locator(".cm-tooltip-autocomplete").is_visible():
        return True
    tab.keyboard.press("Control+Space")
    tab.wait_for_timeout(500)
    return False


def test_statement_is_completed_and_answered(site: Site) -> None:
    tab = site.sign_in("sql")
    editor = tab.locator(".cm-content")
    editor.wait_for()
    editor.click()
    tab.keyboard.press("Control+A")
    tab.keyboard.type("select count(*) as leases from lease_f")
    # What there is to complete comes a moment after the editor: asked for until it is there.
    tab.keyboard.press("Control+Space")
    wait_for(lambda: completes(tab), seconds=30)
    tab.keyboard.press("Escape")
    tab.keyboard.type("acts")
    tab.keyboard.press("Control+Enter")

    expect(tab.locator("tr[data-row] td").first).to_have_text(str(CALLS + REFUSED))

    assert axe_findings(tab) == []


def test_keys_step_through_the_list_and_say_what_they_do(site: Site) -> None:
    tab = site.sign_in("requests")
    tab.locator("tr[data-row]").first.wait_for()
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    expect(tab.locator("tr[aria-current=true]")).to_have_attribute("aria-rowindex", "3")
    tab.keyboard.press("/")
    expect(tab.get_by_role("searchbox")).to_be_focused()
    tab.keyboard.press("Escape")
    tab.keyboard.press("?")

    expect(tab.get_by_role("dialog")).to_contain_text("next row")


@pytest.mark.parametrize("width", [900, 1024, 1280, 1440])
def test_sessions_say_who_and_in_which_state_before_anything_else(site: Site, width: int) -> None:
    """Whatever there is no room for gives way to them."""
    tab = site.sign_in("sessions")
    tab.set_viewport_size({"width": width, "height": 900})
    tab.wait_for_selector("tr[data-row]")
    tab.wait_for_timeout(150)

    heads = tab.locator("thead th:not(.pick)")
    widths = heads.evaluate_all("heads => heads.map(head => head.clientWidth)")

    assert heads.first.inner_text().startswith("session")
    assert min(widths[:2]) >= 150
    assert heads.count() >= 3


@pytest.mark.parametrize("name", ["nowhere", "constructor", "__proto__"])
def test_page_that_is_not_there_leads_back(site: Site, name: str) -> None:
    tab = site.sign_in(name)

    expect(tab.locator("main h1")).to_have_text("There is no such page")
