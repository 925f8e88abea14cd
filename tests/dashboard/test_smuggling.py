"""Whatever comes from outside is text on every page, never markup and never script."""

import httpx
from playwright.sync_api import Page

from tests.dashboard.site import PAGES, Site
from tests.e2e.stack import Stack

MARKUP = '"><img src=x onerror="window.smuggled=1"><script>window.smuggled=1</script>'


def smuggled(tab: Page) -> bool:
    """Whether any of it ran, or stands in the page as an element."""
    found: bool = tab.evaluate(
        "() => window.smuggled === 1 || document.querySelector('img[src=x], main script') !== null"
    )
    return found


def write_everywhere(stack: Stack) -> None:
    """Write markup wherever an operator, a program of ours or a backend may: into the log."""
    stack.api("/api/servers/two", "PATCH", json={"region": MARKUP[:64]})
    chosen = {"strategy": "round_robin", "reason": MARKUP}
    stack.api("/api/balancer/strategy", "PUT", json=chosen)
    told = {"ok": False, "sequence": 1}
    audit = {"envelopes": 1, "events": 1, "violations": 1, "first": [MARKUP], "command": MARKUP}
    stack.api("/api/audit/runs", "POST", json={**told, **audit})
    backup = {"bytes": 1, "name": MARKUP, "host": MARKUP, "wrong": [MARKUP], "command": MARKUP}
    stack.api("/api/audit/backups", "POST", json={**told, **backup})
    for name in ("one", "two"):
        stack.faults(name, kind="status", status=400, message=MARKUP)
    refused = stack.image()
    for name in ("one", "two"):
        stack.faults(name)
    assert refused.status_code >= 400


def test_markup_in_every_field_from_outside_stays_text(site: Site) -> None:
    """A call with markup wherever a client may write, a key of such a name; every page."""
    stack = site.stack
    named = stack.api("/api/keys", "POST", json={"name": MARKUP[:60]})
    httpx.post(
        f"{stack.url()}/v1/images/generations",
        json={"model": MARKUP, "prompt": MARKUP},
        headers={
            "Authorization": f"Bearer {named['key']}",
            "User-Agent": MARKUP,
            "X-Request-ID": "<img src=x onerror=window.smuggled=1>",
        },
        timeout=20,
    )
    session = stack.api("/api/sessions?limit=1")["data"][0]["session_id"]
    changed = {"cool_s": 60, "reason": MARKUP, "label": MARKUP[:64]}
    stack.api(f"/api/sessions/{session}", "PATCH", json=changed)
    write_everywhere(stack)
    stack.eventually(lambda: len(stack.api("/api/requests?limit=1")["data"]), 1)
    request = stack.api("/api/requests?limit=1")["data"][0]["request_id"]
    tab = site.sign_in()
    seen = {}
    opened = (f"requests/{request}", f"sessions?session={session}", "servers/two", "log?q=x")
    for name in (*PAGES, *opened):
        site.show(tab, name)
        tab.wait_for_timeout(300)
        seen[name] = smuggled(tab)

    assert not any(seen.values()), seen


def test_markup_in_the_address_and_in_fields_stays_text(site: Site) -> None:
    tab = site.sign_in()
    for address in (
        f"requests?q={MARKUP}",
        f"requests/{MARKUP}",
        f"log?type={MARKUP}&session={MARKUP}",
        MARKUP,
    ):
        tab.goto(f"{site.url}/#/{address}")
        tab.wait_for_timeout(400)

        assert not smuggled(tab), address
        assert tab.locator(".shell").count() == 1, "what is odd in an address signs nobody out"
    site.show(tab, "sql")
    tab.locator(".cm-content").click()
    tab.keyboard.press("Control+A")
    tab.keyboard.insert_text("select '<img src=x onerror=window.smuggled=1>' as \"<b>x</b>\"")
    tab.keyboard.press("Control+Enter")
    tab.locator("tr[data-row]").first.wait_for()

    assert not smuggled(tab)
    assert "<img src=x" in tab.locator("tr[data-row] td").first.inner_text()
