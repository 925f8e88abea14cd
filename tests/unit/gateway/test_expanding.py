"""An encoding taken off as a body comes: all of it, in bounded pieces, or it is said to be none."""

import gzip
import random
import tracemalloc
import zlib

import pytest

from services.gateway.domain.answers.envelopes import Unreadable, expand_body
from services.gateway.domain.answers.expanding import Expansion, UnexpandableError, is_readable

CHANCE = random.Random(10)
TEXT = CHANCE.randbytes(300_000) + b"data: 1\n\n" * 40_000
PACKED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT[:5]) + gzip.compress(b"") + gzip.compress(TEXT[5:]),
    "deflate": zlib.compress(TEXT),
}


def expanded(encoding: str, body: bytes, size: int) -> bytes:
    expansion = Expansion(encoding)
    pieces = []
    for start in range(0, len(body), size):
        pieces += expansion.expand_chunk(body[start : start + size])
    expansion.finish()
    assert max(map(len, pieces), default=0) <= 64 * 1024
    return b"".join(pieces)


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("size", [1, 7, 1000, 64 * 1024, 1_000_000])
def test_body_reads_the_same_however_it_comes_in_pieces(encoding: str, size: int) -> None:
    assert expanded(encoding, PACKED[encoding], size) == TEXT


@pytest.mark.parametrize("encoding", PACKED)
def test_what_has_come_is_told_before_the_rest_has(encoding: str) -> None:
    packing = zlib.compressobj(wbits=15 if encoding == "deflate" else 31)
    first = packing.compress(b"data: 1\n\n") + packing.flush(zlib.Z_SYNC_FLUSH)

    assert b"".join(Expansion(encoding).expand_chunk(first)) == b"data: 1\n\n"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"no"),
        ("gzip", PACKED["gzip"][:-9]),
        ("gzip", PACKED["gzip"] + b"more"),
        ("gzip", PACKED["gzip"] + b"\0"),
        ("gzip", PACKED["deflate"]),
        ("gzip", gzip.compress(b"") * 1001),
        ("deflate", PACKED["deflate"] + PACKED["deflate"]),
        ("deflate", zlib.compress(b"x")[2:]),
        ("gzip", b""),
    ],
    ids=["none", "cut", "text behind", "zero behind", "deflate", "members", "two", "raw", "empty"],
)
def test_what_is_no_body_in_its_encoding_is_told(encoding: str, body: bytes) -> None:
    with pytest.raises(UnexpandableError):
        expanded(encoding, body, 1000)
    unreadable = Unreadable("an answer that does not decompress")
    assert expand_body(encoding, body, 10_000_000) == unreadable


def test_bomb_takes_no_more_memory_than_a_piece() -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    tracemalloc.start()
    try:
        taken = sum(map(len, Expansion("gzip").expand_chunk(bomb)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert taken == 100_000_000
    assert most < 1_000_000
    assert expand_body("gzip", bomb) is None


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip, identity"])
def test_other_encodings_cannot_be_read(encoding: str) -> None:
    assert not is_readable(encoding)
