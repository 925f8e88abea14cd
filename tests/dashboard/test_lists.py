"""Lists of thousands: every row is within reach; adding some says how far it is."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.dashboard.site import Site
from tests.e2e.stack import Stack

CROWD = 3_000
HUGE = 100_000
LOT = 500


@pytest.fixture(scope="module", autouse=True)
def crowded(stack: Stack) -> None:
    """Thousands of sessions."""
    credentials = [{"credential": f"crowd-{number}"} for number in range(CROWD)]
    stack.api("/api/sessions", "POST", json=credentials)


@pytest.fixture
def crowd(stack: Stack) -> int:
    """How many sessions there are: other tests add some."""
    return int(stack.api("/api/sessions?limit=1")["total"])


def first_of(stack: Stack, sort: str) -> str:
    """The session that stands first in an order."""
    listed = stack.api(f"/api/sessions?limit=1&sort={sort}")["data"]
    return str(listed[0]["session_id"])


def row_at(tab: Page, place: int) -> Locator:
    """The row at a place of the whole list, from 0."""
    return tab.locator(f"tr[data-row][aria-rowindex='{place + 2}']")


def test_end_and_home_lead_to_the_ends_of_the_whole_list(site: Site, crowd: int) -> None:
    tab = site.sign_in("sessions")
    tab.locator("tr[data-row]").first.wait_for()

    tab.keyboard.press("End")

    expect(row_at(tab, crowd - 1)).to_contain_text(first_of(site.stack, "-added"))
    expect(row_at(tab, crowd - 1)).to_have_attribute("aria-current", "true")
    tab.keyboard.press("Home")
    expect(row_at(tab, 0)).to_contain_text(first_of(site.stack, "added"))

    assert tab.locator("tr[data-row]").count() < 60


def huge_page(route: Route) -> None:
    """Answer as a pool of a hundred thousand would."""
    query = parse_qs(urlsplit(route.request.url).query)
    limit = int(query.get("limit", ["1000"])[0])
    named = query.get("ids", [""])[0].split(",")
    offset = int(query.get("offset", ["0"])[0])
    ids = range(offset, min(offset + limit, HUGE))
    places = [int(one[4:]) for one in named if one] or ids
    rest = {"next": "x", "total": HUGE, "sequence": 7, "fitting": HUGE, "order": "o"}
    route.fulfill(json={"data": [huge_row(place) for place in places], **rest})


def huge_row(place: int) -> dict[str, Any]:
    """A session of that pool."""
    units = {"image": 10, "video": 2}
    none = dict.fromkeys(units, 0)
    quota = {"limits": units, "remaining": units, "used": none, "reserved": none}
    said = {"session_id": f"ses_{place}", "status": "active", "resets_in_s": 60, **quota}
    return {**said, "cooling_s": 0, "open_leases": 0, "last_used_at": None, "quota_day": ""}


def test_a_hundred_thousand_sessions_are_within_reach(site: Site) -> None:
    """Pages as such a pool gives them; the list has never more rows than are in view."""
    tab = site.sign_in("keys")
    tab.route("**/api/sessions?*", huge_page)
    site.show(tab, "sessions")
    tab.locator("tr[data-row]").first.wait_for()

    tab.keyboard.press("End")

    expect(row_at(tab, HUGE - 1)).to_contain_text(f"ses_{HUGE - 1}")
    tab.locator(".grid").evaluate("(grid) => { grid.scrollTop = 40 * 50_000; }")
    expect(row_at(tab, 50_000)).to_contain_text("ses_50000")
    tab.keyboard.press("Home")
    expect(row_at(tab, 0)).to_contain_text("ses_0")

    assert tab.locator("tr[data-row]").count() < 60
    assert tab.locator(".grid-foot").inner_text().startswith("100,000 rows")


def test_a_list_that_nobody_answered_for_counts_nothing(site: Site) -> None:
    tab = site.sign_in("keys")
    tab.route("**/api/sessions?*", lambda route: route.abort())
    site.show(tab, "sessions")

    expect(tab.locator("[role=alert]")).to_contain_text("The gateway does not answer.")
    expect(tab.locator(".grid-foot")).to_have_text("")


def test_a_step_back_does_not_open_what_was_closed(site: Site) -> None:
    tab = site.sign_in("keys")
    site.show(tab, "sessions")
    tab.locator("tr[data-row]").nth(2).click()
    expect(tab.get_by_role("dialog")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("dialog")).to_have_count(0)
    expect(tab).to_have_url(re.compile("#/sessions$"))

    tab.go_back()

    expect(tab.locator("main h1")).to_have_text("Keys")
    expect(tab.get_by_role("dialog")).to_have_count(0)


def test_rows_anywhere_come_into_view_and_say_how_they_are_now(site: Site, crowd: int) -> None:
    tab = site.sign_in("sessions")
    tab.locator("tr[data-row]").first.wait_for()
    expect(tab.locator("table")).to_have_attribute("aria-rowcount", str(crowd + 1))
    place = crowd // 2
    tab.locator(".grid").evaluate("(grid, place) => { grid.scrollTop = place * 40; }", place)
    listed = site.stack.api(f"/api/sessions?limit=1&offset={place + 4}")["data"][0]
    row = row_at(tab, place + 4)
    expect(row).to_contain_text(listed["session_id"])

    site.stack.api(f"/api/sessions/{listed['session_id']}", "PATCH", json={"status": "draining"})

    expect(row).to_contain_text("draining", timeout=12_000)
    site.stack.api(f"/api/sessions/{listed['session_id']}", "PATCH", json={"status": "active"})


def test_sorting_is_of_the_whole_list_and_ends_where_the_other_begins(
    site: Site, crowd: int
) -> None:
    tab = site.sign_in("sessions")
    tab.locator("tr[data-row]").first.wait_for()

    tab.get_by_role("button", name="session", exact=True).click()

    expect(row_at(tab, 0)).to_contain_text(first_of(site.stack, "-id"))
    tab.locator(".grid").focus()
    tab.keyboard.press("End")
    expect(row_at(tab, crowd - 1)).to_contain_text(first_of(site.stack, "id"))


def test_foot_says_how_many_fit_the_filter(site: Site, crowd: int) -> None:
    tab = site.sign_in("sessions?q=ses_")

    expect(tab.locator(".grid-foot")).to_contain_text(f"{crowd:,} rows")


def test_a_lot_that_fails_says_how_far_it_is_and_goes_on_from_there(site: Site) -> None:
    """The second of three lots fails once: the first stays told, and nothing is added twice."""
    tab = site.sign_in("sessions?add=1")
    sent: list[Any] = []

    def fail_once(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        sent.append(json.loads(route.request.post_data or "[]"))
        if len(sent) == 2:
            error = {"code": "ledger_unavailable", "message": "the log does not answer"}
            route.fulfill(status=503, json={"error": error})
        else:
            route.continue_()

    tab.route("**/api/sessions", fail_once)
    lines = [f"lot-{number}" for number in range(2 * LOT + 20)]
    tab.locator("dialog textarea").fill("\n".join(["bad line", *lines]))
    tab.get_by_role("button", name="Look through them").click()
    before = site.stack.api("/api/sessions?limit=1")["total"]

    tab.get_by_role("button", name="Add 1,020 sessions").click()

    expect(tab.locator("dialog .note.warn")).to_contain_text("500 were taken, 1 were not")
    expect(tab.locator("dialog .note.warn")).to_contain_text("500 of 1,020 are answered")
    expect(tab.locator("dialog [role=alert]")).to_contain_text("the log does not answer")
    tab.get_by_role("button", name="Go on from line 502").click()
    expect(tab.locator("dialog .note.warn")).to_contain_text("1,020 were taken, 1 were not")

    assert [len(lot) for lot in sent] == [500, 500, 500, 20]
    assert site.stack.api("/api/sessions?limit=1")["total"] == before + len(lines)


def test_a_lot_of_which_none_is_good_names_its_lines_and_ends_nothing(site: Site) -> None:
    """What the API alone can know is wrong: service types that there are not."""
    wrong = [json.dumps({"credential": f"w-{n}", "limits": {"tea": 1}}) for n in range(LOT)]
    tab = site.sign_in("sessions?add=1")
    tab.locator("dialog textarea").fill("\n".join([*wrong, "good-behind-them"]))
    tab.get_by_role("button", name="Look through them").click()

    tab.get_by_role("button", name="Add 501 sessions").click()

    expect(tab.locator("dialog .note.warn")).to_contain_text("1 were taken, 500 were not")
    expect(tab.locator("dialog .note.warn")).to_contain_text("Line 1: limits: expected service")
