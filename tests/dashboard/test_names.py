"""Names that somebody else chose: as they are, however long, on every page and at every width."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.site import PAGES, Site, overflow_of
from tests.e2e.stack import Stack

TYPE = "quite_a_long_name_of_a_service_type_that_somebody_chose_once"
KEY = "night_batch_of_the_studio"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A service type of sixty characters, a server and a key whose names have underscores."""
    made = Stack(tmp_path_factory.mktemp("stack"), TIDEGATE_POOL_MIN_SIZE="20")
    service = f'[services.{TYPE}]\ndaily_limit = 5\npaths = ["/v1/quite"]\n\n'
    servers = made.servers_toml("server_one").replace('"avatar"', f'"avatar", "{TYPE}"')
    try:
        made.configure(service + servers)
        made.start_all("server_one")
        assert made.image().status_code == 200
        made.api("/api/keys", "POST", json={"name": KEY})
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("name", [*PAGES, "servers/server_one", "sessions?service_type=image"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_long_names_stay_within_bounds(reader: tuple[Site, Page], name: str, language: str) -> None:
    site, tab = reader
    tab.set_viewport_size({"width": 1440, "height": 900})
    site.turn_to(tab, "light", language)
    site.show(tab, name)
    beyond = {}
    for width in (390, 768, 1024, 1440):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_timeout(150)
        beyond[width] = overflow_of(tab)

    assert beyond == {390: [], 768: [], 1024: [], 1440: []}


def test_underscores_of_names_are_no_blanks(site: Site) -> None:
    tab = site.sign_in()
    expect(tab.locator("main")).to_contain_text(TYPE)
    expect(tab.locator("main")).to_contain_text("server_one")
    site.show(tab, "keys")
    expect(tab.locator("main")).to_contain_text(KEY)


def test_words_of_statistics_and_of_a_story_are_in_the_readers_language(site: Site) -> None:
    asked = "measures=calls,latency_p95_ms,units_settled&by=outcome,verdict&before=1"
    tab = site.sign_in(f"usage?{asked}")
    site.turn_to(tab, "light", "zh")
    expect(tab.locator("thead")).to_contain_text("95 分位")
    heads = tab.locator("thead").inner_text()
    options = tab.locator("select").nth(1).inner_text()
    request = site.stack.api("/api/requests?limit=1")["data"][0]["request_id"]
    site.show(tab, f"requests/{request}")
    expect(tab.locator("ol")).to_contain_text("等到了租约")

    assert "_" not in heads + options
    assert "waited" not in tab.locator("ol").inner_text()
