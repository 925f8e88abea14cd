"""The query `explain`: what the projections know of one request."""

from collections.abc import Iterator

import pytest

from services.analytics.store import Readers
from tests.integration.analytics.fates import explained, story
from tests.integration.analytics.parts import stored


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    with stored(tmp_path_factory.mktemp("explain") / "a.duckdb", story()) as opened:
        yield opened


def test_a_request_that_moved_to_another_session_has_both_leases_and_what_it_did(
    readers: Readers,
) -> None:
    (row,) = explained(readers, "moved")

    assert [one["number"] for one in row["asked"]] == [1, 2]
    assert [one["outcome"] for one in row["leases"]] == ["released", "cancelled"]
    assert [one["event"] for one in row["consequences"]] == ["session_cooled", "quota_observed"]


def test_the_id_that_a_client_gave_names_every_request_that_has_it(readers: Readers) -> None:
    found = [row["request_id"] for row in explained(readers, "shared")]

    assert found == ["moved", "plain"]
    assert [row["request_id"] for row in explained(readers, "shared", limit=1)] == ["moved"]


def test_an_unknown_id_is_no_request(readers: Readers) -> None:
    assert explained(readers, "nobody") == []
