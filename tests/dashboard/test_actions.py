"""Every action of the page is in the log, with the operator's key behind it."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.site import Site, events_of, wait_for_event


def act(site: Site, tab: Page, button: str, kind: str) -> dict[str, Any]:
    """Press a button, and take the event that it leads to."""
    before = len(events_of(site.stack, kind))
    tab.get_by_role("button", name=button, exact=True).last.click()
    return wait_for_event(tab, site.stack, kind, before)


def operator_id(site: Site) -> str:
    """The id of the operator's key."""
    keys = site.stack.api("/api/keys")["data"]
    return str(next(key["id"] for key in keys if key["name"] == "operator"))


def test_sessions_are_added_by_paste_and_bad_lines_are_named_first(site: Site) -> None:
    tab = site.sign_in("sessions")
    tab.get_by_role("button", name="Add sessions").click()
    tab.locator("dialog textarea").fill("good-one\nwith blank\n\ngood-two\ngood-one\n{nothing")
    tab.get_by_role("button", name="Look through them").click()
    expect(tab.locator("dialog .note")).to_contain_text("2 can be added, 3 cannot")
    for line in (2, 5, 6):
        expect(tab.locator("dialog .note")).to_contain_text(f"Line {line}:")
    before = len(events_of(site.stack, "session_added"))

    tab.get_by_role("button", name="Add 2 sessions").click()

    added = wait_for_event(tab, site.stack, "session_added", before + 1)

    assert added["by"] == operator_id(site)


def test_what_is_done_with_a_session_is_in_the_log(site: Site) -> None:
    tab = site.sign_in("sessions")
    tab.locator("tr[data-row]").nth(3).click()
    tab.locator("dialog .pairs").wait_for()
    mine = operator_id(site)

    drained = act(site, tab, "Drain", "session_changed")
    cleared = act(site, tab, "Clear", "session_changed")
    cooled = act(site, tab, "Cool 10 min", "session_cooled")
    tab.get_by_role("button", name="Remove", exact=True).click()
    retired = act(site, tab, "Really remove?", "session_retired")

    assert (drained["status"], drained["by"]) == ("draining", mine)
    assert (cleared["status"], cleared["by"]) == ("active", mine)
    assert cooled["by"] == retired["by"] == mine
    assert len({one["session_id"] for one in (drained, cleared, cooled, retired)}) == 1


def test_many_sessions_are_drained_at_once(site: Site) -> None:
    tab = site.sign_in("sessions")
    boxes = tab.locator("tbody input[type=checkbox]")
    boxes.nth(5).check()
    boxes.nth(6).check()
    before = len(events_of(site.stack, "session_changed"))

    tab.locator(".note").get_by_role("button", name="Drain").click()

    last = wait_for_event(tab, site.stack, "session_changed", before + 1)

    assert (last["status"], last["by"]) == ("draining", operator_id(site))


def test_all_that_fit_a_filter_are_drained_by_one_request(site: Site) -> None:
    listed = site.stack.api("/api/sessions?limit=12")["data"][9:]
    for one in listed:
        body = {"cool_s": 60, "reason": "wanted-by-the-test"}
        site.stack.api(f"/api/sessions/{one['session_id']}", "PATCH", json=body)
    tab = site.sign_in("sessions?q=wanted-by")
    asked: list[str] = []
    tab.on("request", lambda sent: asked.append(sent.url) if sent.method == "PATCH" else None)
    tab.locator("tr[data-row]").nth(2).wait_for()
    tab.get_by_label("Select all", exact=True).check()
    tab.get_by_role("button", name="Select all that fit").click()
    before = len(events_of(site.stack, "session_changed"))

    tab.locator(".note").get_by_role("button", name="Drain").click()
    wait_for_event(tab, site.stack, "session_changed", before + 2)

    drained = events_of(site.stack, "session_changed")[before:]

    assert {one["session_id"] for one in drained} == {one["session_id"] for one in listed}
    assert {one["status"] for one in drained} == {"draining"}
    assert [url.partition("?")[2] for url in asked] == ["q=wanted-by"]


def test_server_is_added_changed_drained_and_taken_out(site: Site) -> None:
    tab = site.sign_in("servers")
    tab.get_by_role("button", name="Add a server").click()
    tab.get_by_label("id").fill("three")
    tab.get_by_label("address").fill(site.stack.demo_url("one"))
    added = act(site, tab, "Add a server", "server_added")
    tab.get_by_role("link", name="three").click()
    drained = act(site, tab, "Drain", "server_drained")
    undrained = act(site, tab, "Stop draining", "server_undrained")
    tab.get_by_role("button", name="Change", exact=True).click()
    tab.get_by_label("weight").fill("7")
    changed = act(site, tab, "Save", "server_changed")
    tab.get_by_role("button", name="Remove", exact=True).click()

    removed = act(site, tab, "Really remove?", "server_removed")

    assert added["server"]["server_id"] == removed["server_id"] == "three"
    assert drained["by"] == undrained["by"] == operator_id(site)
    assert changed["server"]["weight"] == 7


def test_one_paid_call_at_a_server_has_a_story(site: Site) -> None:
    tab = site.sign_in("servers/one")

    used = act(site, tab, "Test by one paid call", "usage_recorded")

    tab.get_by_role("link", name="Its story").click()
    expect(tab.locator("main")).to_contain_text(used["request_id"])


def test_strategy_is_chosen_pinned_and_unpinned(site: Site) -> None:
    tab = site.sign_in("servers")
    tab.get_by_label("Strategy").select_option("round_robin")
    chosen = act(site, tab, "Choose by it", "strategy_changed")
    pinned = act(site, tab, "Pin it", "strategy_pinned")

    unpinned = act(site, tab, "Take the pin away", "strategy_unpinned")

    assert (chosen["strategy"], pinned["strategy"]) == ("round_robin", "round_robin")
    assert unpinned["by"] == operator_id(site)


def test_key_is_issued_changed_rotated_and_revoked(site: Site) -> None:
    tab = site.sign_in("keys")
    tab.get_by_role("button", name="Issue a key").click()
    tab.get_by_label("name").fill("shop")
    issued = act(site, tab, "Issue a key", "key_issued")
    text = tab.locator("dialog pre").inner_text()
    tab.get_by_role("button", name="I have it").click()
    tab.get_by_role("button", name="shop").click()
    tab.get_by_label("at once (0: no bound)").fill("3")
    changed = act(site, tab, "Save", "key_changed")
    tab.get_by_role("button", name="shop").click()
    rotated = act(site, tab, "Rotate", "key_changed")
    again = tab.locator("dialog pre").inner_text()
    tab.get_by_role("button", name="I have it").click()
    tab.get_by_role("button", name="shop").click()
    tab.get_by_role("button", name="Revoke", exact=True).click()

    revoked = act(site, tab, "Really revoke?", "key_revoked")

    assert text.startswith("sk-")
    assert text != again
    assert changed["bounds"]["concurrency"] == 3
    assert {one["key_id"] for one in (issued, changed, rotated, revoked)} == {issued["key_id"]}
    assert {one["by"] for one in (issued, changed, rotated, revoked)} == {operator_id(site)}


@pytest.mark.parametrize("kind", ["image", "video"])
def test_call_of_the_playground_is_a_clients_call(site: Site, kind: str) -> None:
    tab = site.sign_in("playground")
    tab.get_by_label("client key").fill(site.stack.client_key)
    tab.get_by_label("path").select_option(kind)

    used = act(site, tab, "Send", "usage_recorded")

    expect(tab.locator("dl code", has_text="x-request-id").first).to_be_visible()

    assert used["service_type"] == kind
    if kind == "image":
        expect(tab.locator("img.picture")).to_be_visible()

        assert tab.locator("img.picture").evaluate("(one) => one.naturalWidth") > 0
