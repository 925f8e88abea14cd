"""The pictures of the docs anew: `make dashboard-pictures`.

A stack of its own lives through an hour in a minute: its clock is an hour behind when it starts,
and goes on a few minutes after each round of calls. Look at what comes of it before it is kept.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from demo import traffic
from tests import ROOT
from tests.dashboard.conftest import CHROMIUM
from tests.dashboard.site import Site
from tests.e2e.stack import Stack

FOLDER = ROOT / "docs" / "pictures"
BYTES_MAX = 200_000
SERVERS = {
    "hk-1": ("--latency-ms", "420", "--jitter-ms", "260"),
    "sg-1": ("--latency-ms", "510", "--jitter-ms", "420"),
    "us-1": ("--latency-ms", "760", "--jitter-ms", "500"),
    "eu-1": ("--latency-ms", "640", "--jitter-ms", "300"),
}
SESSIONS = 1200
ROUNDS = 20
HOUR_S = 3600
SETTLES_S = 1.5
TROUBLES = [
    {"cool_s": 1800, "reason": "too many calls at once, says the server"},
    {"status": "draining", "reason": "to be renewed"},
    {"status": "disabled", "reason": "login has expired"},
    {"cool_s": 5400, "reason": "by an operator"},
]
LOOKS = {
    "overview-light": ("overview", "light", "en", 1440),
    "overview-dark": ("overview", "dark", "en", 1440),
    "overview-390": ("overview", "light", "en", 390),
    "overview-zh": ("overview", "light", "zh", 1440),
    "sessions-light": ("sessions", "light", "en", 1440),
    "sessions-zh": ("sessions", "dark", "zh", 1440),
    "keys-light": ("keys", "light", "en", 1440),
    "keys-zh": ("keys", "light", "zh", 1440),
    "request-dark": ("requests/{request}", "dark", "en", 1440),
    "request-zh": ("requests/{request}", "light", "zh", 1440),
}


def main() -> None:
    """Take every picture into a folder; say which of them is too heavy to be kept."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        stack = Stack(
            Path(home) / "home",
            TIDEGATE_POOL_MIN_SIZE=str(SESSIONS),
            TIDEGATE_POOL_MAX_SIZE="5000",
        )
        try:
            request = live_through_an_hour(stack)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox"]
                )
                take_pictures(browser, stack, request, folder)
                browser.close()
        finally:
            stack.close()


def live_through_an_hour(stack: Stack) -> str:
    """Make calls round after round, and trouble towards the end; the id of a request."""
    stack.set_clock(-HOUR_S)
    stack.configure(stack.servers_toml(*SERVERS).replace("5000", "60"))
    stack.start_nats()
    for name, being in SERVERS.items():
        stack.start_demo(name, *being)
    for service in ("pool", "balancer", "analytics"):
        stack.start(service, service)
    stack.start_gateway()
    stack.ready("pool", "balancer", "analytics", "gateway")
    keys = [
        str(stack.api("/api/keys", "POST", json={"name": name, "concurrency": 20})["key"])
        for name in ("studio", "shop", "night-batch")
    ]
    for number in range(1, ROUNDS + 1):
        if number == ROUNDS:
            stack.kill("eu-1")
        fill_an_hour(stack, keys[number % len(keys)], number)
        stack.set_clock(-HOUR_S + number * HOUR_S / ROUNDS)
        time.sleep(SETTLES_S)
        stack.ready("pool", "balancer", "analytics", "gateway")
    listed = stack.api("/api/sessions?limit=60")["data"]
    for place, one in enumerate(listed):
        trouble = TROUBLES[place % len(TROUBLES)] if place % 7 == 5 else {}
        body = {"label": f"account-{place + 1:03}", **trouble}
        stack.api(f"/api/sessions/{one['session_id']}", "PATCH", json=body)
    fill_an_hour(stack, keys[0], 0)
    time.sleep(SETTLES_S)
    rows = stack.api("/api/requests?limit=1000")["data"]
    return str(max(rows, key=lambda row: (row["attempts"], row["latency_ms"] or 0))["request_id"])


def fill_an_hour(stack: Stack, key: str, seed: int) -> None:
    """Make one round of calls, more in some rounds than in others."""
    options = traffic.TrafficOptions(
        url=stack.url(),
        key=key,
        rate=16,
        count=20 + (seed * 7) % 11,
        mix={"image": 0.82, "video": 0.12, "avatar": 0.06},
        seed=seed,
    )
    asyncio.run(traffic.run(asyncio.Event(), options))


def take_pictures(browser: Browser, stack: Stack, request: str, folder: Path) -> None:
    """Sign in once, and take each."""
    site = Site(browser, stack)
    tab = site.sign_in()
    heavy = []
    for name, (page, theme, language, width) in LOOKS.items():
        tab.set_viewport_size({"width": width, "height": 900})
        site.turn_to(tab, theme, language)
        site.show(tab, page.format(request=request))
        tab.wait_for_timeout(1500)
        weight = take_picture(tab, folder / f"{name}.png")
        if weight > BYTES_MAX:
            heavy.append(f"{name}.png has {weight:,} bytes")
    site.context.close()
    if heavy:
        sys.exit(f"expected at most {BYTES_MAX:,} bytes: {', '.join(heavy)}")


def take_picture(tab: Page, path: Path) -> int:
    """Take the whole page, however long it is; how many bytes it weighs."""
    size = tab.viewport_size
    assert size is not None
    height = tab.evaluate("() => document.documentElement.scrollHeight")
    tab.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
    tab.wait_for_timeout(400)
    return len(tab.screenshot(path=path, animations="disabled"))


if __name__ == "__main__":
    main()
