"""The pictures of the docs anew: `make dashboard-pictures`.

A stack of its own lives through an hour in a few minutes: its clock is an hour behind when it
starts, and a minute goes by with each round of calls. What no page of the docs shows is taken into
a folder alone that is named. Look at what comes of it before it is kept.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from demo import traffic
from tests import ROOT
from tests.dashboard.conftest import CHROMIUM
from tests.dashboard.site import Site
from tests.e2e.stack import Stack

FOLDER = ROOT / "docs" / "pictures"
BYTES_MAX = 250_000
HEIGHT_MAX = 3000
SERVERS = {
    "hk-1": ("--latency-ms", "420", "--jitter-ms", "260"),
    "sg-1": ("--latency-ms", "510", "--jitter-ms", "420"),
    "us-1": ("--latency-ms", "760", "--jitter-ms", "500"),
    "eu-1": ("--latency-ms", "640", "--jitter-ms", "300"),
}
SESSIONS = 1200
HOUR_S = 3600
MINUTE_S = 60
DOWN_S = 240
SETTLES_S = 0.5
LOST_MAX = 0.5
FAULTS: dict[int, tuple[str, dict[str, Any]]] = {
    13: ("sg-1", {"kind": "cut_before", "times": 1}),
    29: ("us-1", {"kind": "status", "status": 400, "message": "prompt is too long", "times": 2}),
    41: ("hk-1", {"kind": "cut_before", "times": 2}),
}
"""In which round of calls a server does what, once or twice."""
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
    "servers-dark": ("servers", "dark", "en", 1440),
    "usage-light": ("usage", "light", "en", 1440),
    "usage-390": ("usage", "dark", "zh", 390),
    "audit-light": ("audit", "light", "en", 1440),
    "settings-dark": ("settings", "dark", "zh", 1440),
    "log-light": ("log", "light", "en", 1440),
    "requests-dark": ("requests", "dark", "en", 1440),
    "request-dark": ("requests/{request}", "dark", "en", 1440),
    "request-390": ("requests/{request}", "light", "en", 390),
    "request-zh": ("requests/{request}", "light", "zh", 1440),
}


def main() -> None:
    """Take every picture into a folder, or those of the docs; say which is too heavy to be kept."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in LOOKS if folder != FOLDER or (FOLDER / f"{name}.png").exists()]
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
                take_pictures(browser, stack, request, folder, names)
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
    offset_s, number, is_down = float(-HOUR_S), 0, False
    while offset_s < 0:
        number += 1
        began = time.monotonic()
        if not is_down and offset_s > -DOWN_S:
            stack.kill("eu-1")
            is_down = True
        if number in FAULTS:
            server, fault = FAULTS[number]
            stack.faults(server, **fault)
        fill_a_minute(stack, keys[number % len(keys)], number)
        time.sleep(SETTLES_S)
        offset_s = min(0.0, offset_s + MINUTE_S - (time.monotonic() - began))
        stack.set_clock(offset_s)
        stack.ready("pool", "balancer", "analytics", "gateway")
    listed = stack.api("/api/sessions?limit=60")["data"]
    for place, one in enumerate(listed):
        trouble = TROUBLES[place % len(TROUBLES)] if place % 7 == 5 else {}
        body = {"label": f"account-{place + 1:03}", **trouble}
        stack.api(f"/api/sessions/{one['session_id']}", "PATCH", json=body)
    fill_a_minute(stack, keys[0], 0)
    time.sleep(2 * SETTLES_S)
    rows = stack.api("/api/requests?limit=1000")["data"]
    return str(max(rows, key=lambda row: (row["attempts"], row["latency_ms"] or 0))["request_id"])


def fill_a_minute(stack: Stack, key: str, seed: int) -> None:
    """Make one round of calls, more in some rounds than in others."""
    options = traffic.TrafficOptions(
        url=stack.url(),
        key=key,
        rate=16,
        count=8 + (seed * 7) % 11 + (6 if seed % 20 > 12 else 0),
        mix={"image": 0.82, "video": 0.12, "avatar": 0.06},
        seed=seed,
    )
    done = asyncio.run(traffic.run(asyncio.Event(), options))
    if done.calls - done.statuses.get(200, 0) > LOST_MAX * done.calls:
        sys.exit(f"round {seed}: expected answers, got {done.statuses} {done.codes}")


def take_pictures(
    browser: Browser, stack: Stack, request: str, folder: Path, names: list[str]
) -> None:
    """Sign in once, and take each."""
    site = Site(browser, stack)
    tab = site.sign_in()
    heavy = []
    for name in names:
        page, theme, language, width = LOOKS[name]
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
    """Take the whole page, or the first of it if it is very long; how many bytes it weighs."""
    size = tab.viewport_size
    assert size is not None
    height = tab.evaluate("() => document.documentElement.scrollHeight")
    tab.set_viewport_size(
        {"width": size["width"], "height": min(HEIGHT_MAX, max(size["height"], height))}
    )
    tab.wait_for_timeout(400)
    return len(tab.screenshot(path=path, animations="disabled"))


if __name__ == "__main__":
    main()
