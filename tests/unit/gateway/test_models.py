"""The models of several servers as one list."""

import msgspec
import pytest

from services.gateway.domain.answers.models import merge_models, read_models


def test_list_is_completed_to_what_sdks_expect() -> None:
    body = b'{"data":[{"id":"jimeng-4.5","created":"today","owned_by":null,"description":"x"}]}'
    assert read_models(body) == {
        "jimeng-4.5": {
            "id": "jimeng-4.5",
            "object": "model",
            "created": 0,
            "owned_by": "upstream",
            "description": "x",
        }
    }


def test_what_a_server_says_well_is_kept() -> None:
    entry = {"id": "a/b", "object": "model", "created": 17, "owned_by": "jimeng-api"}
    body = b'{"data":[{"id":"a/b","object":"model","created":17,"owned_by":"jimeng-api"}]}'
    assert read_models(body) == {"a/b": entry}


def test_entry_without_an_id_is_none_and_the_first_of_two_counts() -> None:
    body = b'{"data":[7,{"id":""},{"id":3},{},{"id":"a","n":1},{"id":"a","n":2}]}'
    found = read_models(body)

    assert found is not None
    assert [(name, model["n"]) for name, model in found.items()] == [("a", 1)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"data":{}}',
        b"\xff",
        b'{"data":[',
        b"[" * 100_000,
        b"null",
    ],
)
def test_what_lists_nothing_is_no_list(body: bytes) -> None:
    assert read_models(body) is None


def test_half_of_an_emoji_does_not_spoil_a_list() -> None:
    found = read_models(b'{"data":[{"id":"a","note":"x\\ud83d"},{"id":"b\\ud83d"},{"id":"c\xff"}]}')

    assert found is not None
    assert [*found] == ["a", "b?", "c\ufffd"]
    assert found["a"]["note"] == "x?"
    assert read_models(b'{"data":[{"id":"a","n":NaN}]}') == read_models(
        b'{"data":[{"id":"a","n":null}]}'
    )


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"7" * 5000])
def test_number_that_nobody_can_read_costs_no_entry_and_no_list(number: bytes) -> None:
    body = b'{"data":[{"id":"a","n":1.5},{"id":"b","created":%b,"n":%b},{"id":"c","n":3}]}'

    found = read_models(body % (number, number))

    assert found is not None
    assert [model["n"] for model in found.values()] == [1.5, None, 3]
    assert found["b"]["created"] == 0
    assert msgspec.json.decode(msgspec.json.encode(found)) == found


def test_empty_list_is_a_list() -> None:
    assert read_models(b'{"data":[]}') == {}


def test_model_of_two_servers_is_listed_once_as_the_first_says() -> None:
    first, second = {"a": {"n": 1}, "b": {"n": 1}}, {"b": {"n": 2}, "c": {"n": 2}}
    assert merge_models([first, second]) == {"a": {"n": 1}, "b": {"n": 1}, "c": {"n": 2}}
