"""What failed, and how long it took: a number and the list that it leads to say the same."""

import httpx
from playwright.sync_api import expect

from tests.dashboard.site import Site


def test_failures_of_the_overview_are_those_that_their_list_has(site: Site) -> None:
    """Calls that servers refused, and others that the gateway refused before a lease."""
    stack = site.stack
    for name in ("one", "two"):
        stack.faults(name, kind="status", status=400, message="no")
    assert stack.image().status_code == 400
    for name in ("one", "two"):
        stack.faults(name)
    bounds = {"name": "bounded", "requests_per_minute": 1}
    key = stack.api("/api/keys", "POST", json=bounds)["key"]
    body = {"model": "jimeng-4.0", "prompt": "a gate"}
    headers = {"Authorization": f"Bearer {key}"}
    address = f"{stack.url()}/v1/images/generations"
    answers = [httpx.post(address, json=body, headers=headers, timeout=20) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 429]
    stack.eventually(lambda: stack.api("/api/overview")["calls"]["hour"]["failed"], 4, 90)
    tab = site.sign_in()
    figure = tab.locator(".figures a", has_text="Failures seen by clients")
    expect(figure).to_contain_text("4 in the last hour")

    figure.click()

    expect(tab.locator(".grid-foot .calls")).to_have_text("4 calls in all")
    expect(tab.locator("tr[data-row]")).to_have_count(1)
    expect(tab.locator(".counted")).to_contain_text("429 rate_limit_exceeded bounded")
    stack.environment["TIDEGATE_PORT"] = str(stack.ports["gateway"])
    told = stack.tidegate("requests", "--code", "any", "--count").stdout

    assert "4 calls in all" in told
    assert "only counted: 3 rate_limit_exceeded of bounded" in told


def test_latency_means_the_same_on_every_page(site: Site) -> None:
    """Of one call: the list, its lease and its life say the same."""
    row = site.stack.api("/api/requests?outcome=settled&limit=1")["data"][0]
    story = site.stack.api(f"/api/requests/{row['request_id']}/explain")["data"][0]
    tab = site.sign_in("requests?outcome=settled")
    tab.locator("tr[data-row]").first.wait_for()

    heads = tab.locator("thead th").all_inner_texts()

    assert row["latency_ms"] == story["leases"][0]["total_ms"]
    assert story["lane"]["length_ms"] == round(row["latency_ms"], 3)
    assert heads[-1] == "latency"
