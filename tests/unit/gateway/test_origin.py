"""Whose request it is behind trusted proxies, and how much of that is stored."""

import re

import pytest

from runtime.settings import SettingsError, read_configuration
from services.gateway.clients.origin import (
    _REGION_HEADERS,
    Proxies,
    region_at,
    stored_address,
    stored_agent,
    trusted_proxies,
)
from services.gateway.clients.request import Request
from services.gateway.settings import GatewaySection, StoredForm
from tests import ROOT
from tests.unit.gateway.test_headers import request_with

FRONT = "10.0.0.1"
PROXIES = Proxies(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"])
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def origin(*said: str, peer: str = FRONT, proto: str = "https") -> tuple[str, str]:
    headers = [(b"x-forwarded-for", one.encode()) for one in said]
    return PROXIES.client_origin(peer, "http", [*headers, (b"x-forwarded-proto", proto.encode())])


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["1.2.3.4, 203.0.113.9"], "203.0.113.9"),
        (["1.2.3.4", "203.0.113.9, 10.2.3.4"], "203.0.113.9"),
        (["203.0.113.9,192.0.2.1 , 10.2.3.4"], "203.0.113.9"),
        (["10.9.9.9, 10.2.3.4"], "10.9.9.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db9::1]:4711, 2001:db8::7"], "2001:db9::1"),
        (["2001:db9::1"], "2001:db9::1"),
        (["203.0.113.9, unknown, 10.2.3.4"], "10.2.3.4"),
        (["unknown"], FRONT),
        ([""], FRONT),
        ([], FRONT),
        (["203.0.113.9" + ", 10.0.0.1" * 5000], FRONT),
    ],
)
def test_client_is_the_last_address_that_is_no_trusted_proxy(said: list[str], client: str) -> None:
    assert origin(*said) == (client, "https")


@pytest.mark.parametrize("peer", ["11.0.0.1", "192.0.2.2", "2001:db9::1", "", "unix:"])
def test_nobody_elses_word_is_taken(peer: str) -> None:
    assert origin("203.0.113.9", peer=peer) == (peer, "http")


def test_peer_of_a_socket_for_both_kinds_of_address_is_known() -> None:
    assert origin("203.0.113.9", peer="::ffff:10.0.0.1") == ("203.0.113.9", "https")


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("gopher", "http"), ("", "http")],
)
def test_scheme_is_one_of_the_two(proto: str, scheme: str) -> None:
    assert origin(proto=proto)[1] == scheme


def test_without_trusted_proxies_there_are_none() -> None:
    assert trusted_proxies([]) is None
    assert trusted_proxies([FRONT]) is not None


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "front.example", ""])
def test_trusted_proxy_that_is_no_address_is_refused(text: str) -> None:
    tables = {"trusted_proxies": ["127.0.0.1", text]}

    with pytest.raises(
        SettingsError, match="file: trusted_proxies: expected addresses or netw"
    ) as e:
        read_configuration(tables, GatewaySection, "file")
    assert repr(text) in str(e.value)


@pytest.mark.parametrize(
    ("how", "address", "agent"),
    [
        ("full", "192.0.2.77", BROWSER),
        ("truncated", "192.0.2.0", "Mozilla/5.0"),
        ("none", "", ""),
    ],
)
def test_client_is_stored_as_configured(how: StoredForm, address: str, agent: str) -> None:
    request = request_with((b"user-agent", BROWSER.encode()), client=("192.0.2.77", 4711))

    stored = stored_address(request.client_address, how), stored_agent(request.user_agent, how)

    assert stored == (address, agent)


def test_hashes_tell_clients_apart_without_naming_them() -> None:
    one, same, other = (stored_agent(text, "hashed") for text in ("a/1", "a/1", "a/2"))

    assert one == same != other
    assert len(one) == len(stored_address("192.0.2.7", "hashed")) == 16
    assert "a/1" not in one


@pytest.mark.parametrize("how", ["full", "truncated", "hashed", "none"])
def test_what_a_client_does_not_say_is_stored_as_nothing(how: StoredForm) -> None:
    assert stored_agent("", how) == stored_address("", how) == ""


def test_truncated_address_is_a_network_or_nothing() -> None:
    assert stored_address("2001:db8:1:2::3", "truncated") == "2001:db8:1::"
    assert stored_address("::ffff:192.0.2.77", "truncated") == "192.0.2.0"
    assert stored_address("a socket", "truncated") == ""
    assert stored_agent("x" * 200, "truncated") == "x" * 64
    assert stored_agent("\xa0", "truncated") == "\xa0"


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("8.8.8.8", "us"),
        ("114.114.114.114", "china"),
        ("1.0.16.1", "japan"),
        ("168.126.63.1", "korea"),
        ("165.21.83.88", "singapore"),
        ("203.80.96.10", "hong-kong"),
        ("::ffff:168.126.63.1", "korea"),
        ("2001:4860:4860::8888", "us"),
        ("193.99.144.80", "europe"),
        *((address, "") for address in ("10.0.0.1", "127.0.0.1", "::1", "fe80::1%eth0")),
        *((address, "") for address in ("192.0.2.1", "100.64.0.1", "", "unix:", "224.0.0.1")),
    ],
)
def test_an_address_is_in_the_region_of_the_country_it_was_given_to(
    address: str, region: str
) -> None:
    assert region_at(address) == region


def region_of(*headers: tuple[str, str], peer: str = FRONT, default: str = "") -> str:
    scope = {
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": (peer, 4711),
    }
    return Request(scope, PROXIES, default).client_region


@pytest.mark.parametrize(
    ("headers", "region"),
    [
        ([("x-client-region", "us-west-2")], "us-west"),
        ([("x-client-region", "JP")], "japan"),
        ([("cf-ipcountry", "KR")], "korea"),
        ([("cf-ipcountry", "KR"), ("x-client-region", "asia-east")], "asia-east"),
        ([("cf-ipcountry", "T1"), ("cloudfront-viewer-country", "SG")], "singapore"),
        ([("x-client-region", "us"), ("x-client-region", "berlin")], "berlin"),
        ([("x-client-region", "u" * 65), ("x-country-code", "DE")], "europe"),
        ([("x-client-region", "\u202e"), ("x-appengine-country", "zz")], ""),
        ([], ""),
    ],
)
def test_a_trusted_proxy_says_where_the_client_is(
    headers: list[tuple[str, str]], region: str
) -> None:
    assert region_of(*headers) == region


def test_a_proxys_word_goes_before_the_address_and_that_before_the_configuration() -> None:
    address = ("x-forwarded-for", "168.126.63.1")

    assert region_of(address, ("cf-ipcountry", "US"), default="europe") == "us"
    assert region_of(address, default="europe") == "korea"
    assert region_of(default="europe") == "europe"


@pytest.mark.parametrize("peer", ["11.0.0.1", "127.0.0.1", "unix:", ""])
def test_a_stranger_says_nothing_of_where_it_is(peer: str) -> None:
    claimed = [("x-client-region", "japan"), ("cf-ipcountry", "JP")]

    assert region_of(*claimed, peer=peer) == ("us" if peer == "11.0.0.1" else "")
    assert (
        Request(
            {
                "method": "POST",
                "path": "/",
                "query_string": b"",
                "headers": [(b"x-client-region", b"japan")],
            },
            None,
            "",
        ).client_region
        == ""
    )


@pytest.mark.parametrize("said", ["XX", " ", "a" * 65, "a\nb"])
def test_a_configured_region_that_says_nothing_is_refused(said: str) -> None:
    with pytest.raises(SettingsError, match="client_region: expected a region or a country"):
        read_configuration({"client_region": said}, GatewaySection, "file")


def test_the_page_has_the_headers_in_the_order_in_which_they_count() -> None:
    page = (ROOT / "docs" / "explanation" / "geography.md").read_text()
    item = page.partition("1. from ")[2].partition("They are")[0]

    assert [name.lower().encode() for name in re.findall("`(.+?)`", item)] == [*_REGION_HEADERS]
