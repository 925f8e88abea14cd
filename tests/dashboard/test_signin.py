"""The door: who comes in, and what happens to whoever is out again."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.site import Site, act, events_of, wait_for_event

HALF_A_DAY_S = 12 * 3600


def test_operator_key_opens_the_page_and_is_kept_nowhere_that_a_script_reads(site: Site) -> None:
    tab = site.sign_in()

    expect(tab.get_by_role("heading", level=1)).to_have_text("Overview")
    kept = tab.evaluate(
        "() => JSON.stringify({...localStorage, ...sessionStorage, c: document.cookie})"
    )
    tab.reload()

    assert site.stack.operator_key not in kept
    expect(tab.get_by_role("heading", level=1)).to_have_text("Overview")


@pytest.mark.parametrize("key", ["sk-admin-wrong", "<script>", "client"])
def test_wrong_key_is_refused_in_the_words_of_the_api(site: Site, key: str) -> None:
    tab = site.open_page()
    tab.fill("input[name=key]", site.stack.client_key if key == "client" else key)
    tab.press("input[name=key]", "Enter")

    alert = tab.get_by_role("alert")
    expect(alert.locator("code")).to_have_text(
        "model_not_allowed" if key == "client" else "invalid_api_key"
    )
    expect(tab.locator(".shell")).to_have_count(0)


def test_signing_out_leads_to_the_door_in_every_tab(site: Site) -> None:
    first = site.sign_in("servers")
    second = site.open_page("servers")
    second.wait_for_selector(".shell")

    first.get_by_role("button", name="Sign out").click()

    expect(first.locator("input[name=key]")).to_be_visible()
    expect(second.locator("input[name=key]")).to_be_visible(timeout=15_000)


def test_sign_in_that_is_over_leads_to_the_door_and_says_so(site: Site) -> None:
    tab = site.sign_in("servers")
    try:
        site.stack.set_clock(HALF_A_DAY_S + 60)
        expect(tab.locator("input[name=key]")).to_be_visible(timeout=20_000)
        expect(tab.get_by_role("alert").locator("code")).to_have_text("sign_in_ended")
    finally:
        site.stack.set_clock(0)


def test_link_opens_once_and_leaves_no_trace_in_the_address(site: Site) -> None:
    link = site.stack.api("/api/sign-in/links", "POST")["link"]
    tab = site.context.new_page()

    tab.goto(f"{site.url}/#in={link}")

    expect(tab.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(tab).to_have_title("Overview · Tidegate")

    assert link not in tab.url
    site.context.clear_cookies()
    again = site.context.new_page()
    again.goto(f"{site.url}/#in={link}")
    expect(again.get_by_role("alert").locator("code")).to_have_text("sign_in_link_invalid")


def test_link_opens_a_tab_that_is_open_already(site: Site) -> None:
    tab = site.open_page()
    tab.wait_for_selector("input[name=key]")
    link = site.stack.api("/api/sign-in/links", "POST")["link"]

    tab.evaluate("hash => { location.hash = hash }", f"#in={link}")

    expect(tab.get_by_role("heading", level=1)).to_have_text("Overview")

    assert link not in tab.url


def test_signing_in_by_a_link_and_out_is_in_the_log(site: Site) -> None:
    link = site.stack.api("/api/sign-in/links", "POST")["link"]
    tab = site.context.new_page()
    used = len(events_of(site.stack, "sign_in_link_used"))
    tab.goto(f"{site.url}/#in={link}")
    tab.wait_for_selector(".shell")
    wait_for_event(tab, site.stack, "sign_in_link_used", used)

    out = act(site, tab, "Sign out", "signed_out")

    assert out["sign_in_id"]


def test_viewer_looks_and_is_offered_nothing_that_changes(site: Site) -> None:
    key = site.stack.api("/api/keys", "POST", json={"name": "looks", "scope": "viewer"})["key"]

    tab = site.sign_in("sessions", key)

    expect(tab.locator("tr[data-row]").first).to_be_visible()
    expect(tab.get_by_role("button", name="Add sessions")).to_have_count(0)
    expect(tab.get_by_role("checkbox")).to_have_count(0)
    expect(tab.locator(".read-only")).to_be_visible()
    for name in ("sessions", "servers", "keys"):
        site.show(tab, f"{name}?add=1")
        expect(tab.locator("main h1")).not_to_be_empty()

        assert tab.locator("dialog").count() == 0, name
    site.show(tab, "sql")
    expect(tab.locator("main")).to_contain_text("A viewer's key asks by GET alone")
    expect(tab.get_by_role("button", name="Run")).to_have_count(0)


def test_tab_that_another_signs_out_says_so(site: Site) -> None:
    first = site.sign_in("servers")
    second = site.open_page("servers")
    second.wait_for_selector(".shell")

    first.get_by_role("button", name="Sign out").click()

    expect(second.get_by_role("alert")).to_have_text(
        "You signed out in another tab: sign in again."
    )
    expect(first.get_by_role("alert")).to_have_count(0)


def test_sign_in_without_its_cookie_is_no_wrong_key(site: Site) -> None:
    tab = site.sign_in("servers")

    site.context.clear_cookies()

    expect(tab.get_by_role("alert")).to_contain_text("sign in again", timeout=15_000)


def test_signing_in_opens_the_other_tabs_at_the_door(site: Site) -> None:
    waiting = site.open_page("keys")
    waiting.wait_for_selector("input[name=key]")

    site.sign_in()

    expect(waiting.get_by_role("heading", level=1)).to_have_text("Keys")
