"""The past of calls and of the log: every row is within reach, and stays while others come."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.site import Site
from tests.e2e.stack import Stack
from tests.waiting import wait_for

CALLS = 420
"""More than two pages of the list of calls."""
SESSIONS = 2_400
"""More events, once they are added, than the log's page keeps."""
_ON = """(grid) => {
  const before = grid.scrollTop;
  grid.scrollTop += grid.clientHeight;
  return grid.scrollTop === before;
}"""
_AT_MIDDLE = "(grid) => { grid.scrollTop = Math.floor(grid.scrollHeight / 80) * 40; }"


@pytest.fixture(scope="module", autouse=True)
def past(stack: Stack) -> int:
    """So many calls and sessions; how many calls there are."""
    credentials = [{"credential": f"past-{number}"} for number in range(SESSIONS)]
    stack.api("/api/sessions", "POST", json=credentials)
    with ThreadPoolExecutor(8) as pool:
        answers = [*pool.map(lambda _: stack.image().status_code, range(CALLS))]
    assert set(answers) == {200}
    stack.eventually(lambda: requests_of(stack, count="true")["count"]["rows"], CALLS)
    return CALLS


def requests_of(stack: Stack, **asked: Any) -> dict[str, Any]:
    """Ask for a page of calls."""
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    page: dict[str, Any] = stack.api(f"/api/requests?{query}")
    return page


def settled(tab: Page) -> None:
    """Wait until nothing in view is missing."""
    tab.wait_for_timeout(300)
    expect(tab.locator("tr.missing")).to_have_count(0)


def shown_ids(tab: Page) -> list[str]:
    """The ids of the events that the page has drawn, from above down."""
    return tab.locator("tr[data-row] td:nth-child(2)").all_inner_texts()


def whole_log(stack: Stack, kind: str = "*") -> list[str]:
    """The id of every event of a type, the latest first."""
    ids: list[str] = []
    after, more = "0", True
    while more:
        page = stack.api(f"/api/events?after={after}&limit=1000&type={kind}")
        ids += [one["event"] for one in page["data"]]
        after, more = page["next"], page["more"]
    return ids[::-1]


def test_the_first_call_of_all_is_at_the_end_of_the_list(site: Site) -> None:
    tab = site.sign_in("requests")
    tab.locator("tr[data-row]").first.wait_for()
    count = requests_of(site.stack, count="true")["count"]["rows"]
    (oldest,) = requests_of(site.stack, limit=1, offset=count - 1)["data"]
    expect(tab.locator("table")).to_have_attribute("aria-rowcount", str(count + 1))

    tab.keyboard.press("End")
    settled(tab)

    assert tab.locator("tr[data-row]").last.get_attribute("aria-rowindex") == str(count + 1)
    tab.keyboard.press("Enter")
    expect(tab.locator("main h1")).to_have_text("Request")
    assert tab.url.endswith(oldest["request_id"])


def test_a_call_of_the_past_stays_in_view_while_others_come(site: Site) -> None:
    tab = site.sign_in("requests")
    expect(tab.locator(".true-at")).to_have_text("live")
    count = requests_of(site.stack, count="true")["count"]["rows"]
    expect(tab.locator("table")).to_have_attribute("aria-rowcount", str(count + 1))
    tab.locator(".grid").evaluate(_AT_MIDDLE)
    settled(tab)
    row = tab.locator("tr[data-row]").nth(14)
    place, above = int(row.get_attribute("aria-rowindex") or 0), row.bounding_box()

    for _ in range(3):
        assert site.stack.image().status_code == 200

    expect(tab.locator("table")).to_have_attribute("aria-rowcount", str(count + 4))
    same = tab.locator(f"tr[data-row][aria-rowindex='{place + 3}']")
    wait_for(lambda: same.bounding_box() == above, seconds=10)  # how many they are comes first
    (wanted,) = requests_of(site.stack, limit=1, offset=place + 3 - 2)["data"]

    same.click()
    expect(tab.locator("main h1")).to_have_text("Request")

    assert tab.url.endswith(wanted["request_id"])


def test_the_first_event_of_all_is_at_the_end_of_the_log_and_the_middle_has_no_gap(
    site: Site,
) -> None:
    tab = site.sign_in("log")
    tab.locator("tr[data-row]").first.wait_for()
    every = whole_log(site.stack)
    expect(tab.locator(".grid-foot")).to_contain_text("about")

    tab.keyboard.press("End")
    settled(tab)
    ends = shown_ids(tab)
    tab.locator(".grid").evaluate(_AT_MIDDLE)
    settled(tab)
    middle = shown_ids(tab)

    assert ends[-1] == every[-1]
    place = every.index(middle[0])
    assert 0 < place < len(every) - 200
    assert middle == every[place : place + len(middle)]


def test_whoever_goes_through_the_log_meets_every_event_once(site: Site) -> None:
    """A view at a time from the latest to the first, further than the page keeps."""
    kind = "session_added"
    every = whole_log(site.stack, kind)
    tab = site.sign_in(f"log?type={kind}")
    tab.set_viewport_size({"width": 1440, "height": 2600})
    tab.locator("tr[data-row]").first.wait_for()
    met: dict[str, None] = {}
    is_end = False
    while not is_end:
        settled(tab)
        met |= dict.fromkeys(shown_ids(tab))
        is_end = tab.locator(".grid").evaluate(_ON)

    assert len(every) > SESSIONS
    assert [*met] == every
    assert tab.locator(".grid-foot").inner_text().startswith("about"), "it keeps not all of them"
