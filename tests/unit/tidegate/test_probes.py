"""What servers say of themselves beside what is configured of them."""

from collections.abc import Sequence

import pytest

from tidegate.console.errors import CommandError
from tidegate.probing.asking import Probed, url_objection
from tidegate.probing.probes import Compared, compare_servers, dialect_advice, table_row

URL = "http://127.0.0.1:8000"


def compared(configured: str | None, **said: str) -> Compared:
    server = {"server_id": "one", "url": URL}
    fleet = {"one": server if configured is None else {**server, "dialect": configured}}
    (found,) = compare_servers(
        ["one"], fleet, lambda urls: [Probed(url=url, **said) for url in urls]
    )
    return found


def test_server_that_differs_is_told_with_the_line_to_write() -> None:
    found = compared("plain", dialect="drraw")

    assert (found.differs, found.wrong) == (True, True)
    assert 'dialect = "drraw"' in dialect_advice(found)
    assert "servers change one --dialect drraw" in dialect_advice(found)
    assert table_row(found)[-1] == "differs"


def test_server_that_is_what_it_is_taken_for_needs_nothing() -> None:
    for found in (compared("jimeng", dialect="jimeng"), compared(None, dialect="plain")):
        assert (found.wrong, dialect_advice(found), table_row(found)[-1]) == (False, "", "")


def test_server_that_does_not_answer_is_wrong_and_differs_from_nothing() -> None:
    found = compared("drraw", why="no answer")

    assert (found.differs, found.wrong, found.recognised, dialect_advice(found)) == (
        False,
        True,
        "",
        "",
    )


def test_address_is_compared_with_nothing() -> None:
    def said(urls: Sequence[str]) -> list[Probed]:
        return [Probed(url=url, dialect="drraw") for url in urls]

    (found,) = compare_servers([URL], {}, said)

    assert (found.configured, found.recognised, found.wrong) == (None, "drraw", False)


def test_unknown_server_is_named() -> None:
    with pytest.raises(CommandError, match="no server 'two'; expected the id of one, or an addr"):
        compare_servers(["two"], {}, lambda _: [])


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("ftp://127.0.0.1", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("http://me:secret@host", "without user"),
        ("http://169.254.169.254", "link-local"),
        ("http://", "expected an address"),
    ],
)
def test_address_that_is_no_servers_is_not_asked(url: str, word: str) -> None:
    assert word in (url_objection(url) or "")
