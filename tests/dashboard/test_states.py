"""Why something is as it is, in the language of whoever reads it."""

import re

import pytest
from playwright.sync_api import expect

from tests.dashboard.site import Site
from tests.e2e.stack import Stack


def said_of_server(stack: Stack, server_id: str) -> str:
    """How the balancer words why a server is as it is."""
    views = stack.api("/api/servers")["data"]
    of = next(view for view in views if view["server"]["server_id"] == server_id)
    return str(of.get("words", ""))


@pytest.mark.parametrize("name", ["servers", "servers/two"])
def test_why_a_server_is_out_is_said_in_the_readers_language(site: Site, name: str) -> None:
    """A server that fails until it is ejected, and one that is drained; beside them Chinese."""
    stack = site.stack
    stack.faults("two", kind="status", status=500, message="out of memory")
    for _ in range(60):
        if "ejected" in (words := said_of_server(stack, "two")):
            break
        stack.image()
    stack.api("/api/servers/one/drain", "POST")
    tab = site.sign_in(name)
    site.turn_to(tab, "light", "zh")
    expect(tab.locator("main")).to_contain_text("已剔除")
    said = tab.locator("tbody").first.inner_text()
    if "/" in name:
        said += tab.locator("dialog .pairs dd").first.inner_text()
        said += "".join(tab.locator("dialog ul.states li").all_inner_texts())
    stack.faults("two")
    stack.api("/api/servers/one/undrain", "POST")

    assert "连续失败" in said
    assert "排空中" in said
    assert "还有 0 个调用未结束" in said
    assert re.findall("[A-Za-z]{2,}", re.sub("one|two|test|ms", "", said)) == [], words


def test_why_a_server_was_passed_over_is_said_in_the_readers_language(site: Site) -> None:
    stack = site.stack
    stack.api("/api/servers/two/drain", "POST")
    made = stack.image().headers["x-request-id"]
    tab = site.sign_in(f"requests/{made}")
    site.turn_to(tab, "light", "zh")
    stack.api("/api/servers/two/undrain", "POST")

    expect(tab.locator("main")).to_contain_text("two 排空中")
