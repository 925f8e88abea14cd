"""What the page weighs, what it keeps, and what it asks of gateways while many look."""

import json
import signal
import subprocess
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, Route, expect

from tests import ROOT
from tests.dashboard.site import Site
from tests.e2e.stack import Stack

TRANSFERRED_MAX = 100_000
GROWTH_MAX = 5_000_000
_HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
_HEAR = """async ([name, from, count]) => {
  const channel = new BroadcastChannel(name);
  for (let at = from; at < from + count; at += 50) {
    const records = Array.from({ length: 50 }, (_, place) => ({
      event: `9${String(at + place).padStart(9, "0")}.0`, time: "2026-11-28T00:00:00Z",
      subject: "evt.pool.0", type: "lease_granted", lease_id: `lease-${at + place}`,
      session_id: `ses_${at % 97}`, units: 1,
    }));
    channel.postMessage({ records, skipped: 0, last: records.at(-1).event });
    if (at % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  channel.close();
}"""


def call_once(stack: Stack, gateway: str = "gateway") -> str:
    """Make a call; its request's id."""
    answer = httpx.post(
        f"{stack.url(gateway)}/v1/images/generations",
        json={"model": "jimeng-4.0", "prompt": "a gate"},
        headers={"Authorization": f"Bearer {stack.client_key}"},
        timeout=20,
    )
    answer.raise_for_status()
    return answer.headers["x-request-id"]


def heap_of(tab: Page) -> int:
    """Bytes that are used after a collection."""
    inside = tab.context.new_cdp_session(tab)
    for _ in range(3):
        inside.send("HeapProfiler.collectGarbage")
    used: int = inside.send("Runtime.getHeapUsage")["usedSize"]
    inside.detach()
    return used


def test_types_hold() -> None:
    done = subprocess.run(
        ["npx", "tsc", "-p", "."],
        cwd=ROOT / "requirements/vendor",
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.returncode) == ("", 0)


def test_first_page_is_light(site: Site) -> None:
    tab = site.sign_in()
    tab.close()
    tab = site.context.new_page()
    inside = site.context.new_cdp_session(tab)
    inside.send("Network.enable")
    inside.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[float] = []
    inside.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    tab.goto(site.url)
    tab.locator(".figures").wait_for()
    tab.wait_for_load_state("networkidle")

    assert 20_000 < sum(sizes) < TRANSFERRED_MAX


def test_log_of_twenty_thousand_events_keeps_no_more_than_of_a_thousand(site: Site) -> None:
    """Events come over the channel by which tabs share one stream; the heap is read twice."""
    tab = site.sign_in("log")
    expect(tab.locator(".true-at")).to_have_text("live")
    filters = json.dumps(
        dict.fromkeys(("type", "session", "request", "server", "key"), ""), separators=(",", ":")
    )
    name = f"tidegate / {filters}"
    tab.evaluate(_HEAR, [name, 0, 1_000])
    tab.locator("td", has_text="9000000999.0").wait_for()
    early = heap_of(tab)
    tab.evaluate(_HEAR, [name, 1_000, 19_000])
    tab.locator("td", has_text="9000019999.0").wait_for()
    late = heap_of(tab)

    assert tab.locator(".grid-foot").inner_text().startswith("about 20,")
    assert late - early <= GROWTH_MAX


def test_rows_stay_until_others_have_come_and_what_comes_too_late_is_not_shown(site: Site) -> None:
    """Sorting is slow and finding is slower: the last that was wanted is what stays."""
    tab = site.sign_in("sessions")
    rows, region = tab.locator("tr[data-row]"), tab.locator(".grid")
    rows.first.wait_for()
    late: list[Route] = []
    tab.route("**/api/sessions?*sort=*", lambda one: late.append(one))  # noqa: PLW0108

    tab.get_by_role("button", name="Last used").click()
    expect(region).to_have_attribute("aria-busy", "true")
    kept = rows.count()
    tab.get_by_role("searchbox").fill("slow")
    tab.wait_for_timeout(1_000)
    tab.get_by_role("searchbox").fill("ses_")
    tab.wait_for_timeout(1_000)
    for route in late[:-1]:
        route.fulfill(json={"data": [], "next": "", "total": 0, "sequence": 1})
    tab.wait_for_timeout(300)

    assert kept > 0
    assert len(late) >= 3
    expect(region).to_have_attribute("aria-busy", "true")
    late[-1].continue_()
    expect(region).not_to_have_attribute("aria-busy", "true")
    expect(rows.first).to_be_visible()


def test_a_paused_log_shows_what_another_filter_wants(site: Site) -> None:
    tab = site.sign_in("log")
    tab.locator("tr[data-row]").first.wait_for()
    tab.get_by_role("button", name="Pause").click()

    tab.evaluate("() => { location.hash = '#/log?type=server_added'; }")

    expect(tab.locator("tr[data-row]", has_text="session_added")).to_have_count(0)
    expect(tab.locator("tr[data-row]", has_text="server_added").first).to_be_visible()
    expect(tab.locator(".grid")).not_to_have_attribute("aria-busy", "true")


def test_restart_of_the_gateway_leaves_no_gap(site: Site) -> None:
    call_once(site.stack)
    tab = site.sign_in("requests")
    rows = tab.locator("tr[data-row]")
    rows.first.wait_for()
    before = rows.count()
    site.stack.kill("gateway")
    tab.wait_for_timeout(500)
    site.stack.start_gateway()
    site.stack.ready("gateway")

    made = call_once(site.stack)

    expect(tab.locator(".true-at")).to_have_text("live", timeout=20_000)
    expect(rows).to_have_count(before + 1)
    rows.first.click()

    expect(tab.locator("main")).to_contain_text(made)
    expect(tab.locator("input[name=key]")).to_have_count(0)


def test_a_page_that_nobody_answered_for_comes_once_somebody_does(site: Site) -> None:
    tab = site.sign_in()
    site.stack.kill("gateway")
    tab.evaluate("() => { location.hash = '#/usage'; }")
    expect(tab.locator("[role=alert]")).to_contain_text("The gateway does not answer.")
    tab.evaluate("() => { location.hash = '#/keys'; }")
    expect(tab.locator("[role=alert]")).to_contain_text("The gateway does not answer.")

    site.stack.start_gateway()
    site.stack.ready("gateway")

    expect(tab.locator("td", has_text="operator").first).to_be_visible(timeout=20_000)
    tab.evaluate("() => { location.hash = '#/usage'; }")
    expect(tab.get_by_role("button", name="Export")).to_be_visible(timeout=20_000)


def test_a_request_comes_by_itself_and_a_paused_list_stays(site: Site) -> None:
    tab = site.sign_in("requests")
    expect(tab.locator(".true-at")).to_have_text("live")
    rows = tab.locator("tr[data-row]")
    before = len(site.stack.api("/api/requests")["data"])

    call_once(site.stack)

    expect(rows).to_have_count(before + 1)
    tab.get_by_role("button", name="Pause").click()
    call_once(site.stack)
    tab.wait_for_timeout(2_500)

    assert rows.count() == before + 1
    tab.get_by_role("button", name="Go on").click()
    expect(rows).to_have_count(before + 2)


def test_a_hidden_tab_reads_no_stream_and_goes_on_where_it_was(site: Site) -> None:
    """Tabs of a headless browser are all visible: it is told that it is hidden."""
    tab = site.sign_in("log")
    expect(tab.locator(".true-at")).to_have_text("live")
    with tab.expect_event("requestfailed", lambda one: "/events/stream" in one.url):
        tab.evaluate(_HIDE, True)
    made = call_once(site.stack)
    tab.wait_for_timeout(1_500)

    assert tab.locator("td", has_text=made).count() == 0
    tab.evaluate(_HIDE, False)
    expect(tab.locator("td", has_text=made).first).to_be_visible()


def test_six_tabs_share_one_stream_and_three_gateways_tell_the_same(
    new_site: Callable[..., Site], stack: Stack
) -> None:
    """Six tabs at one gateway, one at each of two others: one stream a gateway, one log for all."""
    first = new_site()
    streams: list[str] = []
    tabs = [first.sign_in("log")]
    tabs += [first.open_page("log") for _ in range(5)]
    first.context.on(
        "request", lambda one: streams.append(one.url) if "/events/stream" in one.url else None
    )
    for tab in tabs:
        tab.reload()
    others = [new_site(name).sign_in("log") for name in ("gateway-2", "gateway-3")]
    for tab in (*tabs, *others):
        expect(tab.locator(".true-at")).to_contain_text("live" if tab in others else "")
        tab.locator("tr[data-row]").first.wait_for()

    made = call_once(stack, "gateway-2")

    for tab in (*tabs, *others):
        expect(tab.locator("td", has_text=made).first).to_be_visible(timeout=15_000)

    assert tabs[5].evaluate("async () => (await fetch('/ping')).status") == 200
    assert len(streams) < len(tabs)


def test_a_stream_that_says_nothing_is_asked_for_anew(site: Site) -> None:
    """The gateway stands still, and its connection stays: nobody says that it is over."""
    tab = site.sign_in("log")
    state = tab.locator(".true-at")
    expect(state).to_have_text("live")
    site.stack.kill("gateway", signal.SIGSTOP)
    try:
        expect(state).to_have_text("connecting", timeout=40_000)
    finally:
        site.stack.kill("gateway", signal.SIGCONT)
    expect(state).to_have_text("live", timeout=20_000)
    made = call_once(site.stack)

    expect(tab.locator("td", has_text=made).first).to_be_visible()


def test_a_tab_whose_neighbour_holds_the_lock_and_says_nothing_reads_for_itself(
    site: Site,
) -> None:
    mute = site.sign_in("keys")
    filters = json.dumps(
        dict.fromkeys(("type", "session", "request", "server", "key"), ""), separators=(",", ":")
    )
    mute.evaluate(
        "(name) => { navigator.locks.request(name, () => new Promise(() => {})); }",
        f"tidegate / {filters}",
    )
    tab = site.open_page("log")
    state = tab.locator(".true-at")
    expect(state).to_have_text("connecting")

    expect(state).to_have_text("live", timeout=40_000)
    made = call_once(site.stack)

    expect(tab.locator("td", has_text=made).first).to_be_visible()
