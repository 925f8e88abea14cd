"""A browser in front of a stack: who is signed in, what a page shows, and what is wrong with it."""

import re
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests import ROOT
from tests.e2e.stack import Stack

AXE = ROOT / "requirements/vendor/node_modules/axe-core/axe.min.js"
PAGES = (
    "overview",
    "requests",
    "sessions",
    "servers",
    "usage",
    "keys",
    "sql",
    "log",
    "audit",
    "settings",
    "playground",
)
_OVERFLOWING = """() => [...document.querySelectorAll("body *")]
  .filter((one) => {
    const style = getComputedStyle(one);
    return one.scrollWidth > one.clientWidth + 1 && style.overflowX === "visible"
      && style.display !== "inline" && one.clientWidth > 0
      && !one.closest("svg") && !one.classList.contains("hidden");
  })
  .map((one) => `${one.tagName} ${one.className} ${one.scrollWidth} > ${one.clientWidth}`)"""
_LOOK = """async ([theme, language]) => {
  const begin = document.querySelector("script[type=module]").src;
  const from = (name) => import(new URL(name, begin));
  (await from("base/look.js")).look.value = theme;
  await (await from("base/words.js")).speak(language);
}"""
_SHOWN = """(name) => {
  const here = document.querySelector(".nav a[aria-current=page]");
  return here !== null && new URL(here.href).hash === `#/${name}`
    && document.querySelectorAll("main > *").length > 1
    && document.querySelector("main [role=status].quiet") === null;
}"""
_WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Site:
    """A context of a browser at a gateway; whatever its pages complain of is kept in `troubles`."""

    def __init__(self, browser: Browser, stack: Stack, gateway: str = "gateway") -> None:
        """Begin without any cookie."""
        self.stack = stack
        self.url = stack.url(gateway)
        self.context: BrowserContext = browser.new_context(
            viewport={"width": 1440, "height": 900}, locale="en-GB", color_scheme="light"
        )
        self.troubles: list[str] = []

    def open_page(self, name: str = "overview") -> Page:
        """Open a page of the dashboard in a tab of its own."""
        tab = self.context.new_page()
        tab.on("pageerror", lambda error: self.troubles.append(str(error)))
        tab.on("console", self._note)
        tab.goto(f"{self.url}/#/{name}")
        return tab

    def sign_in(self, name: str = "overview", key: str = "") -> Page:
        """Sign in with the operator's key, and open a page."""
        tab = self.open_page(name)
        tab.fill("input[name=key]", key or self.stack.operator_key)
        tab.press("input[name=key]", "Enter")
        tab.wait_for_selector(".shell")
        return tab

    def show(self, tab: Page, name: str) -> None:
        """Go to another page of the dashboard, and wait until it has loaded what it shows."""
        tab.goto(f"{self.url}/#/{name}")
        tab.wait_for_function(_SHOWN, arg=re.split("[/?]", name, maxsplit=1)[0])

    def turn_to(self, tab: Page, theme: str, language: str) -> None:
        """Show the same page in another theme and language, as its own switches would."""
        tab.evaluate(_LOOK, [theme, language])

    def _note(self, message: ConsoleMessage) -> None:
        """Keep what the page was refused."""
        refused = ("Content Security Policy", "TrustedHTML", "Trusted", "Uncaught")
        if any(word in message.text for word in refused):
            self.troubles.append(message.text)


def overflow_of(tab: Page) -> list[str]:
    """Everything on the page that is wider inside than outside, and the page itself."""
    inside: list[str] = tab.evaluate(_OVERFLOWING)
    beyond = tab.evaluate(_WIDER)
    return [*inside, *([f"the page by {beyond} px"] if beyond > 0 else [])]


def axe_findings(tab: Page) -> list[tuple[str, str]]:
    """What axe-core finds wrong, by rule and by the first place."""
    if not tab.evaluate("() => 'axe' in window"):
        tab.evaluate(AXE.read_text())
    seen: dict[str, Any] = tab.evaluate("() => axe.run()")
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in seen["violations"]]


def events_of(stack: Stack, kind: str) -> list[dict[str, Any]]:
    """Every event of a type, in the order of the log."""
    found: list[dict[str, Any]] = stack.api(f"/api/events?type={kind}&limit=1000")["data"]
    return found


def wait_for_event(tab: Page, stack: Stack, kind: str, before: int) -> dict[str, Any]:
    """Wait until there are more events of a type than there were, and take the last."""
    for _ in range(100):
        found = events_of(stack, kind)
        if len(found) > before:
            return found[-1]
        tab.wait_for_timeout(100)
    raise AssertionError(f"the log has no new {kind}")


def act(site: Site, tab: Page, button: str, kind: str) -> dict[str, Any]:
    """Press a button, and take the event that it leads to."""
    before = len(events_of(site.stack, kind))
    tab.get_by_role("button", name=button, exact=True).last.click()
    return wait_for_event(tab, site.stack, kind, before)


def operator_id(site: Site) -> str:
    """The id of the operator's key."""
    keys = site.stack.api("/api/keys")["data"]
    return str(next(key["id"] for key in keys if key["name"] == "operator"))
