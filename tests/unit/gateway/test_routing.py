"""Which service type a request is of (interface.md, `[services]`)."""

import pytest

from runtime.settings import DEFAULT_SERVICES, ServiceTypeSection
from services.gateway.domain import Peek, model_named, read_json, units_of, wait_s_of
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.paths import PathRules
from services.gateway.domain.routing import check_model

CHAT = "/v1/chat/completions"
BOUNDARY = b"--b\r\n"


@pytest.mark.parametrize(
    ("path", "model", "expected"),
    [
        ("/v1/images/generations", "", "image"),
        ("/v1/images/edits", "any-video", "image"),
        ("/v1/videos/generations", "", "video"),
        (CHAT, "jimeng-video-3.0", "video"),
        (CHAT, "Jimeng-VIDEO", "video"),
        (CHAT, "jimeng-4.0", "image"),
        (CHAT, "", "image"),
        ("/v1/images/avatar", "", "avatar"),
        ("/x/digital-human/y", "", "avatar"),
        ("/v1/embeddings", "", None),
    ],
)
def test_path_decides_and_models_only_on_shared_paths(
    path: str, model: str, expected: str | None
) -> None:
    assert PathRules(DEFAULT_SERVICES).route_request(path, model) == expected


def test_new_service_type_is_configuration() -> None:
    services = {**DEFAULT_SERVICES, "music": ServiceTypeSection(daily_limit=3, paths=["/v1/music"])}
    assert PathRules(services).route_request("/v1/music/compose", "") == "music"


def test_without_a_fitting_model_or_a_plain_type_the_first_listed_serves() -> None:
    services = {
        "one": ServiceTypeSection(daily_limit=1, paths=[CHAT], models=["a"]),
        "two": ServiceTypeSection(daily_limit=1, paths=[CHAT], models=["b"]),
    }
    assert PathRules(services).route_request(CHAT, "c") == "one"


def test_model_of_a_body_that_decides_nothing_is_kept_for_the_record() -> None:
    body = b'{"model":"m","n":2,"stream":true,"prompt":{"deep":[1]}}'

    assert model_named(body, "application/json", complete=True) == "m"
    assert model_named(body, "", complete=True) == "m"
    assert read_json(body) == Peek("m", 2, True)


def test_first_part_of_a_long_json_body_tells_what_it_has() -> None:
    begun = b'{ "model" : "m", "n": 3,"stream":true, "model":"later", "image":"' + b"x" * 1000
    assert model_named(begun, "application/json", complete=False) == "m"
    assert model_named(b'{"image":"xx', "application/json", complete=False) == ""


def test_hostile_bodies_are_read_in_no_time_to_speak_of() -> None:
    line = b"\r\ncontent-disposition: " + b"name=model;" * 140_000
    assert model_named(line, "multipart/form-data", complete=True) == ""
    nested = b'{"a":' + b"[" * 50_000
    with pytest.raises(GatewayError, match="not valid JSON"):
        model_named(nested, "application/json", complete=True)


def test_other_kinds_tell_nothing() -> None:
    assert model_named(b"\x89PNG", "image/png", complete=True) == ""


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[]", "body: "),
        (b'{"model":5}', "model: "),
        (b'{"n":"two"}', "n: "),
        (b'{"stream":1}', "stream: "),
    ],
)
def test_wrong_json_is_refused_by_name(body: bytes, named: str) -> None:
    with pytest.raises(GatewayError) as caught:
        model_named(body, "application/json", complete=True)
    assert caught.value.code == "invalid_request"
    assert named in caught.value.message


def multipart(*fields: tuple[str, str]) -> bytes:
    return (
        b"".join(
            BOUNDARY + f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields
        )
        + b"--b--\r\n"
    )


def test_first_model_of_a_form_is_kept_for_the_record() -> None:
    body = multipart(("prompt", "p"), ("model", "first"), ("model", "second"))
    assert model_named(body, "multipart/form-data; boundary=b", complete=True) == "first"
    assert model_named(multipart(("x", "y")), "multipart/form-data", complete=True) == ""


def test_body_decides_where_types_share_a_path_or_items_are_units() -> None:
    counted = ServiceTypeSection(daily_limit=3, paths=["/v1/music"], units="n")
    services = {**DEFAULT_SERVICES, "music": counted}

    assert PathRules(services).rule_of(CHAT).body_decides
    assert PathRules(services).rule_of("/v1/music/x").body_decides
    assert not PathRules(services).rule_of("/v1/images/generations").body_decides
    assert not PathRules(services).rule_of("/v1/embeddings").body_decides


def test_longer_path_wins_whatever_the_order() -> None:
    services = {
        "long": ServiceTypeSection(daily_limit=1, paths=["/v1/images/"]),
        "short": ServiceTypeSection(daily_limit=1, paths=["/v1/"]),
    }
    assert PathRules(services).route_request("/v1/images/x", "") == "long"
    assert PathRules(dict(reversed(services.items()))).route_request("/v1/images/x", "") == "long"


@pytest.mark.parametrize(("n", "units"), [(None, 1), (1, 1), (10_000, 10_000)])
def test_items_are_units(n: int | None, units: int) -> None:
    assert units_of(n) == units


@pytest.mark.parametrize("n", [0, -1, 10_001, 2**31, 2**63, 10**4000], ids=lambda n: str(n)[:20])
def test_items_out_of_bounds_are_refused_by_name(n: int) -> None:
    with pytest.raises(GatewayError) as refused:
        units_of(read_json(b'{"n":%d}' % n).n)

    assert refused.value.param == "n"
    assert refused.value.message.startswith("n: expected a whole number from 1 to 10,000, got ")
    assert len(refused.value.message) < 120


def test_half_a_character_is_no_models_name() -> None:
    """JSON can spell it, and nothing that is written down can hold it."""
    check_model("é漢😀")

    with pytest.raises(GatewayError, match="expected Unicode text"):
        check_model("m\ud800")


@pytest.mark.parametrize(
    ("said", "seconds"), [("", 7.0), ("0", 0.0), ("1500", 1.5), ("600000", 600.0)]
)
def test_how_long_a_call_may_wait(said: str, seconds: float) -> None:
    assert wait_s_of(said, 7.0, 600.0) == seconds


@pytest.mark.parametrize("said", ["600001", "-1", "1.0", "\u0661", " 5", "x", "9" * 13])
def test_a_wait_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(GatewayError) as refused:
        wait_s_of(said, 7.0, 600.0)

    assert (refused.value.code, refused.value.param) == ("invalid_request", "x-max-wait-ms")


def test_complete_json_is_read_whole() -> None:
    nested = b'{"a": {"model": "inner"}, "model": "outer"}'

    assert model_named(nested, "application/json; charset=utf-8", complete=True) == "outer"
    assert model_named(b"{}", "", complete=True) == ""


def test_a_model_of_more_characters_than_any_has_is_refused() -> None:
    with pytest.raises(GatewayError, match="expected at most 256 characters, got 257"):
        check_model("m" * 257)
