"""Every action of the page is in the log, with the operator's key behind it."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.dashboard.site import Site, act, events_of, operator_id, wait_for_event

BULK = {
    "Drain": "session_changed",
    "Clear": "session_changed",
    "Cool 10 min": "session_cooled",
    "Disable": "session_changed",
    "Remove": "session_retired",
}
"""Every button above the list but the test, and the event that it leads to."""


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


def test_sessions_of_a_file_are_added(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "sessions.txt"
    file.write_text('from-a-file-1\n{"credential": "from-a-file-2", "label": "of a file"}\n')
    tab = site.sign_in("sessions?add=1")
    tab.locator("dialog input[type=file]").set_input_files(file)
    tab.get_by_role("button", name="Look through them").click()
    before = len(events_of(site.stack, "session_added"))

    tab.get_by_role("button", name="Add 2 sessions").click()
    wait_for_event(tab, site.stack, "session_added", before + 1)

    labelled = site.stack.api("/api/sessions?label=of a file")["data"]

    assert [one["status"] for one in labelled] == ["active"]


def test_what_is_done_with_a_session_is_in_the_log(site: Site) -> None:
    tab = site.sign_in("sessions")
    tab.locator("tr[data-row]").nth(3).click()
    tab.locator("dialog .pairs").wait_for()
    mine = operator_id(site)

    drained = act(site, tab, "Drain", "session_changed")
    cleared = act(site, tab, "Clear", "session_changed")
    cooled = act(site, tab, "Cool 10 min", "session_cooled")
    disabled = act(site, tab, "Disable", "session_changed")
    tab.get_by_role("button", name="Limits of its own").click()
    tab.get_by_role("spinbutton", name="image").fill("7")
    limited = act(site, tab, "Save", "session_changed")
    tab.get_by_role("button", name="Remove", exact=True).click()
    retired = act(site, tab, "Really remove?", "session_retired")

    assert (drained["status"], drained["by"]) == ("draining", mine)
    assert (cleared["status"], cleared["by"]) == ("active", mine)
    assert (disabled["status"], disabled["by"]) == ("disabled", mine)
    assert (limited["limits"]["image"], limited["by"]) == (7, mine)
    assert cooled["by"] == retired["by"] == mine
    every = (drained, cleared, cooled, disabled, limited, retired)
    assert len({one["session_id"] for one in every}) == 1


def test_test_of_a_session_says_what_its_server_says(site: Site) -> None:
    """The demo's servers speak a dialect in which nobody can be asked: nothing comes of it."""
    tab = site.sign_in("sessions")
    tab.locator("tr[data-row]").nth(4).click()

    tab.get_by_role("button", name="Test", exact=True).click()

    expect(tab.locator("dialog .note.warn")).to_contain_text("Nobody could say.")


def test_many_sessions_are_changed_at_once(site: Site) -> None:
    """One after the other the same two: what each button does is in the log twice."""
    tab = site.sign_in("sessions")
    seen = {}
    for name, kind in BULK.items():
        boxes = tab.locator("tbody input[type=checkbox]")
        boxes.nth(5).check()
        boxes.nth(6).check()
        before = len(events_of(site.stack, kind))
        tab.locator(".note").get_by_role("button", name=name, exact=True).click()
        if name == "Remove":
            tab.locator(".note").get_by_role("button", name="Really remove?").click()
        last = wait_for_event(tab, site.stack, kind, before + 1)
        seen[name] = (last.get("status", ""), last["by"])
        expect(tab.locator("tbody input:checked")).to_have_count(0)

    mine = operator_id(site)

    assert seen == {
        "Drain": ("draining", mine),
        "Clear": ("active", mine),
        "Cool 10 min": ("", mine),
        "Disable": ("disabled", mine),
        "Remove": ("", mine),
    }


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


def test_servers_are_measured(site: Site) -> None:
    """It changes nothing, so that nothing of it is in the log."""
    tab = site.sign_in("servers")
    tab.get_by_role("button", name="Measure").click()
    before = len(events_of(site.stack, "server_changed"))

    tab.get_by_role("button", name="Probe every server ten times").click()

    expect(tab.locator("dialog tbody tr")).to_have_count(2)
    expect(tab.locator("dialog tbody tr").first).to_contain_text("0 / 10")

    assert len(events_of(site.stack, "server_changed")) == before


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
    tab.get_by_role("button", name="Rotate", exact=True).click()
    expect(tab.locator("dialog .note.warn")).to_contain_text("opens nothing from this moment on")
    rotated = act(site, tab, "Really rotate now?", "key_changed")
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


@pytest.mark.parametrize(
    ("scope", "kind"),
    [("admin", "key_issued"), ("viewer", "viewer_key_issued"), ("metrics", "metrics_key_issued")],
)
def test_key_of_every_scope_is_issued(site: Site, scope: str, kind: str) -> None:
    tab = site.sign_in("keys?add=1")
    tab.get_by_label("name").fill(f"of {scope}")
    tab.get_by_label("scope").select_option(scope)

    issued = act(site, tab, "Issue a key", kind)

    assert (issued["name"], issued["by"]) == (f"of {scope}", operator_id(site))


def test_a_key_is_issued_without_a_mouse(site: Site) -> None:
    tab = site.sign_in("keys")
    tab.get_by_role("button", name="Issue a key").focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_label("name", exact=True)).to_be_focused()
    tab.keyboard.type("of a keyboard")
    before = len(events_of(site.stack, "key_issued"))

    tab.keyboard.press("Enter")

    issued = wait_for_event(tab, site.stack, "key_issued", before)

    assert issued["name"] == "of a keyboard"
