"""How long a server asks to be left alone."""

import time
from email.utils import formatdate

import pytest

from services.gateway.transport.retry_after import retry_after

DATE = "Wed, 25 Nov 2026 08:00:00 GMT"


def waited(text: str, date: str = DATE) -> float | None:
    said = {b"retry-after": text, b"date": date}
    return retry_after(lambda name: said[name])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 7 \t", 7),
        ("Wed, 25 Nov 2026 08:01:30 GMT \t", 90),
        ("0", 0),
        ("9" * 400, 86_400),
        ("Wed, 25 Nov 2026 08:01:30 GMT", 90),
        ("Wednesday, 25-Nov-26 08:01:30 GMT", 90),
        ("Wed Nov 25 08:01:30 2026", 90),
        ("Wed, 25 Nov 2026 07:00:00 GMT", 0),
        ("Wed, 25 Nov 2999 08:00:00 GMT", 86_400),
        ("soon", None),
        ("-3", None),
        ("Wed, 99 Nov 2026 08:01:30 GMT", None),
        ("", None),
    ],
)
def test_wait_is_told_in_seconds_or_as_a_date(text: str, seconds: float | None) -> None:
    assert waited(text) == seconds


@pytest.mark.parametrize("date", ["", "nonsense"])
def test_date_counts_from_now_where_a_server_has_none_itself(date: str) -> None:
    found = waited(formatdate(time.time() + 3600, usegmt=True), date)

    assert found is not None
    assert 0 < found <= 3600
