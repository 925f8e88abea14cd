"""Whatever comes from outside is text on every page, never markup and never script."""

import httpx
from playwright.sync_api import Page

from tests.dashboard.site import PAGES, Site

MARKUP = '"><img src=x onerror="window.smuggled=1"><script>window.smuggled=1</script>'


def smuggled(tab: Page) -> bool:
    """Whether any of it ran, or stands in the page as an element."""
    found: bool = tab.evaluate(
        "() => window.smuggled === 1 || document.querySelector('img[src=x], main script') !== null"
    )
    return found


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
    stack.api(f"/api/sessions/{session}", "PATCH", json={"cool_s": 60, "reason": MARKUP})
    stack.eventually(lambda: len(stack.api("/api/requests?limit=1")["data"]), 1)
    request = stack.api("/api/requests?limit=1")["data"][0]["request_id"]
    tab = site.sign_in()
    seen = {}
    for name in (*PAGES, f"requests/{request}", f"sessions?session={session}"):
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
