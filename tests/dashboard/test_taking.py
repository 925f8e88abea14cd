"""What is taken along: files, a command, a call as a client makes it."""

import json

import pytest
from playwright.sync_api import expect

from tests.dashboard.site import Site, act


@pytest.fixture(autouse=True)
def calls(site: Site) -> None:
    """Figures of nothing would be empty files."""
    assert site.stack.image().status_code == 200


def test_figures_reports_and_rows_are_taken_along_as_files(site: Site) -> None:
    tab = site.sign_in("usage")
    taken = {}
    for button in ("Export", "Daily report", "Weekly report"):
        with tab.expect_download() as download:
            tab.get_by_role("button", name=button).click()
        taken[download.value.suggested_filename] = download.value.path().read_text()
    site.show(tab, "sql")
    tab.locator(".cm-content").wait_for()
    tab.get_by_role("button", name="Run").click()
    for button in ("CSV", "JSON"):
        with tab.expect_download() as download:
            tab.get_by_role("button", name=button, exact=True).click()
        taken[download.value.suggested_filename] = download.value.path().read_text()

    assert taken["tidegate-daily.html"].startswith("<!")
    assert taken["tidegate-weekly.html"].startswith("<!")
    assert taken["tidegate.csv"].startswith("day,service,leases,units")
    assert set(json.loads(taken["tidegate.json"])[0]) == {"day", "service", "leases", "units"}


def test_what_the_log_shows_is_copied_as_a_command_that_shows_the_same(site: Site) -> None:
    site.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = site.sign_in("log?type=server_added,server_changed&server=one")
    tab.locator("tr[data-row]").first.wait_for()
    shown = tab.locator("tr[data-row] td:nth-child(2)").all_inner_texts()

    tab.get_by_role("button", name="Copy as a command").click()
    expect(tab.get_by_role("button", name="Copied")).to_be_visible()
    command = tab.evaluate("() => navigator.clipboard.readText()")

    assert command == (
        "tidegate tail --last 100 --type server_added --type server_changed --server one"
    )
    assert len(shown) > 0


@pytest.mark.parametrize("kind", ["image", "video"])
def test_call_of_the_playground_is_a_clients_call(site: Site, kind: str) -> None:
    tab = site.sign_in("playground")
    tab.get_by_label("client key").fill(site.stack.client_key)
    tab.get_by_label("path").select_option(kind)

    used = act(site, tab, "Send", "usage_recorded")

    expect(tab.locator("dl code", has_text="x-request-id").first).to_be_visible()

    assert used["service_type"] == kind
    if kind == "image":
        expect(tab.locator("img.picture")).to_be_visible()

        assert tab.locator("img.picture").evaluate("(one) => one.naturalWidth") > 0
