"""RFC 9112 case by case, over a real socket: `rfc9112.jsonl` says what is sent and what comes.

A row's `send` goes out in as many pieces; `half` closes the client's side behind it. `status` are
the answers in their order (`may`: others that the RFC allows as well), `says` and `lacks` what is
in all of them and in none. `open`: the connection is used once more, and answers; else it ends.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gateway.wires import wires

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]
ROWS = [
    json.loads(line) for line in Path(__file__).with_name("rfc9112.jsonl").read_text().splitlines()
]
ONCE_MORE = b"GET /once-more HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
async def test_row_of_the_table(row: dict[str, Any]) -> None:
    async with asyncio.timeout(2), wires() as made:
        reader, writer = await made.connect()
        for piece in row["send"]:
            writer.write(piece.encode("latin-1"))
            await writer.drain()
            await asyncio.sleep(0)
            await asyncio.sleep(0.01 if len(row["send"]) > 1 else 0)
        if row["open"]:
            writer.write(ONCE_MORE)
        elif row.get("half"):
            writer.write_eof()
        told = await reader.read()
        writer.close()

    answers = split(told, bodiless=row.get("bodiless", False))
    statuses = [status for status, _ in answers]
    if row["open"]:
        assert statuses.pop() == 200
        assert b"/once-more" in answers.pop()[1]
    statuses = [status for status in statuses if status != 100 or 100 in row["status"]]
    assert statuses in (row["status"], [one for one in row.get("may", ()) if [one] == statuses])
    whole = told.lower()
    assert row.get("says", "").lower().encode("latin-1") in whole
    assert "lacks" not in row or row["lacks"].encode() not in whole
    for status, answer in answers:
        assert status < 400 or b'"error":' in answer
        assert status < 400 or b"access-control-allow-origin: *" in answer


def split(told: bytes, *, bodiless: bool) -> list[tuple[int, bytes]]:
    """Take the answers of one connection apart, as a client has to."""
    answers = []
    while told:
        head, _, rest = told.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        lower = head.lower()
        size = 0
        if status != 100 and not (bodiless and not answers):
            if b"content-length: " in lower:
                size = int(lower.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            elif b"transfer-encoding: chunked" in lower:
                size = rest.index(b"0\r\n\r\n") + 5
            else:
                size = len(rest)
        assert len(rest) >= size
        answers.append((status, head + b"\r\n\r\n" + rest[:size]))
        told = rest[size:]
    return answers
