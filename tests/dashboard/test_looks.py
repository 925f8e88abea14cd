"""What stands where: the way to other pages, what is told, a first day, what did not load."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.dashboard.site import PAGES, Site, axe_findings, overflow_of

_WITHIN = """(links) => links.every((link) => {
  const box = link.getBoundingClientRect();
  return box.width > 0 && box.left >= 0 && box.right <= innerWidth + 1
    && link.scrollWidth <= link.clientWidth + 1;
})"""
_ON_TOP = """(note) => {
  const { left, top, width, height } = note.getBoundingClientRect();
  return note.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}"""
_INK = """(canvas) => {
  const { width, height } = canvas;
  const drawn = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const [red, green, blue] = [47, 111, 214];
  let inked = 0;
  for (let at = 0; at < drawn.length; at += 4) {
    const far = Math.abs(drawn[at] - red) + Math.abs(drawn[at + 1] - green);
    if (drawn[at + 3] > 200 && far + Math.abs(drawn[at + 2] - blue) < 24) inked += 1;
  }
  return inked;
}"""
"""How many points of a chart have the colour of its line (`--work` of the light theme)."""
A_DOT = 120
"""Points of a single dot, at most."""
_CUT = """(cells) => cells
  .filter((cell) => cell.clientWidth > 0 && cell.scrollWidth > cell.clientWidth)
  .map((cell) => `${cell.innerText} ${cell.scrollWidth} > ${cell.clientWidth}`)"""


@pytest.mark.parametrize("width", [390, 560, 768, 861, 1440])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_is_within_reach_and_the_open_one_named(
    site: Site, width: int, language: str
) -> None:
    tab = site.sign_in("playground")
    site.turn_to(tab, "light", language)
    tab.set_viewport_size({"width": width, "height": 844})
    menu = tab.locator("button.menu")
    if width <= 560:
        expect(menu).to_contain_text("Playground" if language == "en" else "试")
        menu.click()

    links = tab.locator(".nav a")

    expect(links).to_have_count(len(PAGES))

    assert links.evaluate_all(_WITHIN)


def test_menu_closes_when_a_page_is_chosen(site: Site) -> None:
    tab = site.sign_in()
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.locator("button.menu").click()
    tab.locator(".nav a", has_text="Servers").click()

    expect(tab.get_by_role("heading", level=1)).to_have_text("Servers")
    expect(tab.locator(".nav")).to_be_hidden()


DIALOGS = {
    "sessions?add=1": [],
    "servers?add=1": [],
    "servers/one": ["Remove"],
    "keys?add=1": [],
    "keys": ["operator", "Rotate"],
    "servers": ["Measure"],
    "overview": ["Keyboard"],
}
"""What leads to a dialog: an address, and buttons to press."""


@pytest.mark.parametrize("name", DIALOGS)
@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "zh")])
def test_dialog_is_within_bounds_and_axe_finds_nothing(
    site: Site, name: str, theme: str, language: str
) -> None:
    tab = site.sign_in(name)
    for button in DIALOGS[name]:
        tab.get_by_role("button", name=button, exact=True).click()
    tab.locator("dialog").wait_for()
    site.turn_to(tab, theme, language)
    beyond = {}
    for width in (390, 768, 1440):
        tab.set_viewport_size({"width": width, "height": 844})
        tab.wait_for_timeout(150)
        beyond[width] = overflow_of(tab)

    assert beyond == {390: [], 768: [], 1440: []}
    assert axe_findings(tab) == []


def test_menu_of_a_phone_and_what_a_viewer_sees_have_no_findings(site: Site) -> None:
    key = site.stack.api("/api/keys", "POST", json={"name": "looks", "scope": "viewer"})["key"]
    tab = site.sign_in("sql", key)
    findings = axe_findings(tab)
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.locator("button.menu").click()

    assert findings + axe_findings(tab) == []
    assert overflow_of(tab) == []


def test_what_is_told_stands_above_an_open_dialog(site: Site) -> None:
    tab = site.sign_in("sessions")
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.locator("tr[data-row]").first.click()
    tab.locator("dialog .pairs").wait_for()

    tab.get_by_role("button", name="Drain", exact=True).click()

    note = tab.locator(".toasts .note")
    expect(note).to_be_visible()

    assert note.evaluate(_ON_TOP)
    tab.get_by_role("button", name="Clear", exact=True).click()
    expect(note).to_have_count(2)
    assert note.last.evaluate(_ON_TOP)


@pytest.mark.parametrize("days", [1, 7])
def test_figures_of_a_first_day_are_more_than_a_dot(site: Site, days: int) -> None:
    assert site.stack.image().status_code == 200
    site.stack.eventually(lambda: len(site.stack.api("/api/requests?limit=1")["data"]), 1)
    tab = site.sign_in(f"usage?days={days}&measures=calls,latency_p50_ms")
    tab.locator(".chart canvas").nth(1).wait_for()
    tab.wait_for_timeout(500)

    inked = tab.locator(".chart canvas").evaluate_all(f"(all) => all.map({_INK})")

    assert len(inked) == 2
    assert min(inked) > A_DOT, inked


def test_a_module_that_does_not_load_is_not_called_renewed(site: Site) -> None:
    tab = site.sign_in()

    def fail(route: Route) -> None:
        route.fulfill(status=503, body="not now")

    tab.route("**/pages/audit.js", fail)
    tab.locator(".nav a", has_text="Audit").click()

    alert = tab.get_by_role("alert")
    expect(alert).to_contain_text("A part of the dashboard could not be loaded.")
    expect(alert.locator("code")).to_have_text("page_unloadable")


def test_a_statement_that_fails_leaves_no_answer_of_another(site: Site) -> None:
    tab = site.sign_in("sql")
    tab.locator(".cm-content").click()
    tab.keyboard.press("Control+A")
    tab.keyboard.type("select 41 + 1 as answer")
    tab.keyboard.press("Control+Enter")
    expect(tab.locator("tr[data-row] td").first).to_have_text("42")
    tab.locator(".cm-content").click()
    tab.keyboard.press("Control+A")
    tab.keyboard.type("select nothing from nowhere")
    tab.keyboard.press("Control+Enter")

    expect(tab.get_by_role("alert")).to_contain_text("nowhere")
    expect(tab.locator("tr[data-row]")).to_have_count(0)


def test_page_over_the_api_works_under_its_policy(site: Site) -> None:
    tab = site.sign_in()
    tab.goto(f"{site.url}/schema")
    tab.locator("summary", has_text="/api/sessions").first.click()
    tab.locator("details[open] button", has_text="Send").click()

    expect(tab.locator("details[open] pre")).to_contain_text("200")

    assert tab.locator("header").evaluate("(one) => getComputedStyle(one).display") == "flex"


def test_master_keys_stand_beside_their_sequence(site: Site) -> None:
    tab = site.sign_in("settings")
    card = tab.locator(".card", has=tab.get_by_role("heading", name="Master keys"))

    expect(card.locator(".sequence")).to_contain_text("sequence")


def test_state_of_a_server_is_said_once(site: Site) -> None:
    site.stack.api("/api/servers/two/drain", "POST")
    tab = site.sign_in("servers")
    row = tab.locator("tbody tr", has_text="two")
    expect(row).to_contain_text("draining")
    said = row.inner_text()
    site.stack.api("/api/servers/two/undrain", "POST")

    assert said.count("draining") == 1


@pytest.mark.parametrize("width", [1024, 1280, 1440])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_short_names_are_whole_where_a_table_has_many_columns(
    site: Site, width: int, language: str
) -> None:
    assert site.stack.image().status_code == 200
    tab = site.sign_in()
    tab.set_viewport_size({"width": width, "height": 800})
    site.turn_to(tab, "light", language)
    expect(tab.locator("td", has_text="one").first).to_be_visible()
    cut = tab.locator("td:has(a[href^='#/servers/']), th").evaluate_all(_CUT)
    site.show(tab, "requests")
    expect(tab.locator("tr[data-row]").first).to_be_visible()
    cut += tab.locator(".grid th").evaluate_all(_CUT)
    cells = tab.locator("tr[data-row] td").filter(has_text=re.compile("^(one|two|client)$"))

    assert cells.count() >= 2, "of whom the call was, and who answered it"
    assert cut + cells.evaluate_all(_CUT) == []


def test_a_wide_screen_is_used(site: Site) -> None:
    tab = site.sign_in("sessions")
    tab.set_viewport_size({"width": 2560, "height": 1440})
    expect(tab.locator("tr[data-row]").first).to_be_visible()
    of_lists = tab.locator("main").bounding_box()
    site.show(tab, "overview")
    of_cards = tab.locator("main").bounding_box()

    assert of_lists is not None
    assert of_cards is not None
    assert of_lists["x"] + of_lists["width"] > 2500
    assert of_cards["width"] > 2000


def test_long_name_of_a_key_shows_its_beginning_on_a_phone(site: Site) -> None:
    name = "beginning of a name that goes on for quite a while yet"
    site.stack.api("/api/keys", "POST", json={"name": name})
    tab = site.sign_in("keys")
    tab.set_viewport_size({"width": 390, "height": 844})
    button = tab.get_by_role("button", name=name)
    cell = tab.locator("td", has=button)
    left = button.evaluate("(one) => one.getBoundingClientRect().left")

    assert left >= cell.evaluate("(one) => one.getBoundingClientRect().left")
    assert button.evaluate("(one) => getComputedStyle(one).textAlign") == "left"
