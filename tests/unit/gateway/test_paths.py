"""Which paths are taken at all, and no key in an address."""

import pytest

from runtime.settings import DEFAULT_SERVICES
from services.gateway.domain.paths import (
    BASE,
    PathRules,
    ambiguous_path,
    below_base,
    is_ambiguous,
    is_ours,
    key_in,
    key_in_url,
)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/images/../../token/points",
        "/v1/images/./generations",
        "/v1/images/..",
        "/v1/images/.",
        "//v1/images/generations",
        "/v1//images/generations",
        "/v1/images/generations;x=1",
        "/v1\\images",
        "/v1/images/%2e%2e/%2E%2e/token/points",
        "/v1/images/.%2e/x",
        "/v1%2fimages",
        "/v1%5Cimages",
        "/v1/images%3bx",
        "/v1/images%00",
        "/v1/images%0a",
        "/v1/images%7F",
        "/v1/images\x01",
        "/v1/im ages",
        "/v1/images%",
        "/v1/images%zz",
    ],
)
def test_path_that_another_reader_may_take_for_another_is_ambiguous(path: str) -> None:
    assert is_ambiguous(path.encode("latin-1"))


@pytest.mark.parametrize(
    "path",
    ["/", "/v1/images/generations", "/v1/a..b", "/v1/%67en", "/v1/.well", "/é"],
)
def test_other_paths_are_not(path: str) -> None:
    assert not is_ambiguous(path.encode())


def test_who_sends_one_is_told_what_is_not_taken() -> None:
    refusal = ambiguous_path()

    assert refusal.code == "invalid_request"
    assert "%2E %2F %5C %3B" in refusal.message


def test_slash_in_the_name_of_a_model_is_no_wonder() -> None:
    assert not is_ambiguous(b"/v1/models/vendor%2Fmodel", slashes=True)
    assert is_ambiguous(b"/v1/models/vendor%2Fmodel")


@pytest.mark.parametrize(
    "path",
    [
        "/metrics/avatar",
        "/token/v1/images/generations",
        "/api/avatar",
        "/schema/avatar",
        "/health/avatar",
        "/livez/avatar",
        "/readyz/avatar",
        "/ping/avatar",
        "/ui/avatar",
    ],
)
def test_path_of_the_operators_is_never_of_a_service_type(path: str) -> None:
    assert is_ours(path)
    assert not PathRules(DEFAULT_SERVICES).rule_of(path).types


def test_paths_of_strangers_and_long_ones_are_not_remembered() -> None:
    rules = PathRules(DEFAULT_SERVICES)

    assert rules.rule_of("/v1/images/generations").types
    assert rules.rule_of("/v1/images/" + "x" * 60_000, keep=True).types
    for _ in range(2):
        assert rules.rule_of("/v1/chat/completions", keep=True).body_decides
    assert list(rules._known) == ["/v1/chat/completions"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"key=sk-abc", "key"),
        (b"a=1&b=%73k-x", "b"),
        (b"a=+sk-x", "a"),
        (b"a=1;b=SK%2dx", "b"),
        (b"a=Bearer%20sk-x", "a"),
        (b"a=%22sk-x%22", "a"),
        (b"a=%00sk-x", "a"),
        (b"sk-x", ""),
        (b"a=task-1&sk-=1&q=a%20sk-b", None),
        (b"a=bearersk-x&b=desk-1", None),
        (b"", None),
        (b"%ff=%ff", None),
    ],
)
def test_key_in_an_address_is_found_and_not_repeated(query: bytes, name: str | None) -> None:
    assert key_in(query) == name
    if name is not None:
        told = key_in_url(name)
        assert (told.http_status, told.param) == (400, name)
        assert "sk-" not in told.message


def test_paths_of_a_type_are_those_of_its_configuration() -> None:
    assert PathRules(DEFAULT_SERVICES).paths_of("avatar") == ["/avatar", "/digital-human"]


@pytest.mark.parametrize(
    ("path", "below", "raw"),
    [
        ("/gate", "/", b""),
        ("/gate/", "/", b"/"),
        ("/gate/v1/models", "/v1/models", b"/v1/models"),
    ],
)
def test_base_path_is_taken_off_where_a_path_begins_with_it(
    path: str, below: str, raw: bytes
) -> None:
    taken_off = below_base(path, path.encode(), "/gate")

    assert taken_off == {"path": below, "raw_path": raw, BASE: "/gate"}


@pytest.mark.parametrize("path", ["/gates/v1", "/v1/gate", "/%67ate/v1"])
def test_path_that_does_not_begin_with_the_base_stays_as_it_is(path: str) -> None:
    assert below_base(path, path.encode(), "/gate") == {}
