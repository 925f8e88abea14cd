"""A number on a page is the number the ledger has, with the sequence it is true at."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.site import PAGES, Site
from tests.e2e.stack import Stack

CALLS = 3
_NUMBER = re.compile(r"\d[\d,]*")


def numbers_in(text: str) -> list[int]:
    """Every number of a text."""
    return [int(one.replace(",", "")) for one in _NUMBER.findall(text)]


def sequences_on(tab: Page) -> list[int]:
    """The sequences of the log that the page names, in its order."""
    return [one for text in tab.locator(".sequence").all_inner_texts() for one in numbers_in(text)]


def end_of_log(stack: Stack) -> int:
    """The last of the log."""
    last: int = stack.api("/api/events?past=last&limit=1")["last"]
    return last


def address_of(stack: Stack, name: str) -> str:
    """A page's address, with the id of what it is to show."""
    session = stack.api("/api/sessions?limit=1")["data"][0]["session_id"]
    request = stack.api("/api/requests?limit=1")["data"][0]["request_id"]
    return name.format(session=session, request=request)


@pytest.fixture(scope="module", autouse=True)
def calls(stack: Stack) -> None:
    """Something is used, and known to have been."""
    for _ in range(CALLS):
        assert stack.image().status_code == 200
    stack.eventually(lambda: len(stack.api("/api/requests")["data"]), CALLS)


@pytest.mark.parametrize(
    "name",
    [
        *(page for page in PAGES if page not in {"playground", "sql"}),
        "requests/{request}",
        "sessions?session={session}",
        "servers/one",
    ],
)
def test_page_names_the_sequence_that_its_figures_are_true_at(site: Site, name: str) -> None:
    """The playground shows an answer, and no figure of the ledger; SQL none before it is asked."""
    before = end_of_log(site.stack)
    tab = site.sign_in()
    site.show(tab, address_of(site.stack, name))
    expect(tab.locator(".sequence").last).to_have_text(_NUMBER)
    shown = sequences_on(tab)

    assert shown
    assert all(0 < one <= end_of_log(site.stack) for one in shown)
    if name != "keys":  # what was said of keys is older than all else
        assert max(shown) >= before - 1


def test_answer_of_a_statement_names_its_sequence(site: Site) -> None:
    tab = site.sign_in("sql")
    tab.locator(".cm-content").wait_for()
    tab.get_by_role("button", name="Run").click()
    tab.locator("tr[data-row]").first.wait_for()

    assert 0 < sequences_on(tab)[0] <= end_of_log(site.stack)


def test_units_on_the_overview_are_those_of_the_log_folded_again(site: Site) -> None:
    tab = site.sign_in()
    tab.locator(".quota").first.wait_for()
    shown = {
        card.locator("h2").inner_text(): numbers_in(card.inner_text().partition("\n")[2])
        for card in tab.locator(".quota").all()
    }

    replayed = json.loads(site.stack.tidegate("replay", "--json").stdout)
    (today,) = {units["quota_day"] for units in replayed["units"]}
    used = {units["service_type"]: units["used"] for units in replayed["units"]}
    limits = {"image": 10, "video": 2, "avatar": 1}
    sessions = len(site.stack.api("/api/sessions")["data"])

    assert today == site.stack.api("/api/overview")["quota_day"]
    assert used == {"image": CALLS}
    for name, limit in limits.items():
        whole, spent = limit * sessions, used.get(name, 0)
        assert shown[name][-4:] == [whole - spent, whole, spent, 0]


def test_numbers_of_requests_sessions_and_keys_are_the_ledgers(site: Site) -> None:
    """The same asked in SQL over the projections, which the audit compares with the log."""
    question = (
        "select (select count(*) from leases), (select count(*) from sessions),"
        " (select count(*) from leases where key_id = (select min(key_id) from leases))"
    )
    ((leases, sessions, of_key),) = site.stack.api("/api/sql", "POST", json={"query": question})[
        "rows"
    ]
    tab = site.sign_in("requests")
    tab.locator("tr[data-row]").first.wait_for()
    requests = numbers_in(tab.locator(".grid-foot").inner_text())[0]
    site.show(tab, "sessions")
    tab.locator("tr[data-row]").first.wait_for()
    listed = numbers_in(tab.locator(".grid-foot").inner_text())[0]
    site.show(tab, "keys")
    row = tab.locator("tr", has_text="client").filter(has_not_text="viewer").last

    assert (requests, listed) == (leases, sessions)
    assert of_key == CALLS
    expect(row.locator("td.num").first).to_have_text(str(CALLS))


def test_every_number_of_the_overview_leads_to_its_list(site: Site) -> None:
    tab = site.sign_in()
    tab.locator(".figures").wait_for()
    links = tab.locator("main a[href^='#/']")
    leads = [str(link.get_attribute("href")) for link in links.all()]

    assert {"#/requests?outcome=unknown", "#/sessions?state=active"} <= {*leads}
    assert any(lead.startswith("#/requests?code=any&ended_since=") for lead in leads)
    for lead in dict.fromkeys(leads):
        site.show(tab, lead.removeprefix("#/"))
        expect(tab.locator("main [role=alert]")).to_have_count(0)
        expect(tab.locator("main h1")).not_to_have_text("There is no such page")


def test_findings_are_said_in_the_readers_language_with_the_doctors_words_beside(
    site: Site,
) -> None:
    session = site.stack.api("/api/sessions?limit=1")["data"][0]["session_id"]
    site.stack.api(f"/api/sessions/{session}", "PATCH", json={"status": "draining"})
    tab = site.sign_in()
    site.turn_to(tab, "light", "zh")
    found = tab.locator(".attention li", has_text="会话数量不足")
    found.wait_for()
    said = found.inner_text()
    site.stack.api(f"/api/sessions/{session}", "PATCH", json={"status": "active"})

    assert "199 of 200 sessions are active or cooling, at least 200 wanted" in said
    assert "为补充来源提供更多凭据" in said
