"""The credential in what a server answers: concealed, or found wherever a chunk ends."""

import random

import pytest

from services.gateway.domain.answers.concealing import (
    CONCEALED,
    WATCHED_BYTES,
    Watch,
    blank_secrets,
)

SECRET = b"ses-5f2b77aa-0c1d-ses-5f2b"
PASSWORD = b"a-long-password"
SOUGHT = (b"http://u:%b@h@%b" % (PASSWORD, SECRET), SECRET, PASSWORD)


def test_credential_is_concealed_in_a_short_body() -> None:
    body = b'{"url":"http://x/?t=%b&p=%b&t=%b"}' % (SECRET, PASSWORD, SECRET)
    hidden = CONCEALED.encode()
    without = b"{}"

    assert blank_secrets(body, SOUGHT) == b'{"url":"http://x/?t=%b&p=%b&t=%b"}' % (
        (hidden, hidden, hidden)
    )
    assert blank_secrets(without, SOUGHT) is without
    assert blank_secrets(body, ()) is body


def watched(chunks: list[bytes], bytes_max: int | None = None) -> tuple[bytes, bool]:
    watch = Watch(SOUGHT, bytes_max)
    passed = b""
    for chunk in chunks:
        passed += watch.take_chunk(chunk)
        if watch.found:
            return passed, True
    return passed + watch.take_rest(), False


@pytest.mark.parametrize("secret", [SECRET, PASSWORD])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 25, 26, 27, 1000])
def test_credential_is_found_across_the_borders_of_chunks(size: int, secret: bytes) -> None:
    text = b"data: ses-5f2b77aa-0c1d-ses-" + secret + b" and more"
    for shift in range(size):
        whole = b"." * shift + text
        chunks = [whole[at : at + size] for at in range(0, len(whole), size)]

        passed, found = watched(chunks)

        assert found
        assert passed == whole[: whole.find(secret)]


def test_everything_else_passes_byte_for_byte() -> None:
    chance = random.Random(17)
    letters = b"ses-5f2b7a0c1d"
    for _ in range(2000):
        text = bytes(chance.choice(letters) for _ in range(chance.randint(0, 60)))
        cuts = sorted(chance.randint(0, len(text)) for _ in range(3))
        chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]

        assert watched(chunks) == (text, False)


def test_event_is_held_back_for_nothing_but_a_beginning() -> None:
    watch = Watch(SOUGHT)

    assert watch.take_chunk(b"data: 1\n\n") == b"data: 1\n\n"
    assert watch.take_chunk(b"data: ses-5f") == b"data: "
    assert watch.take_chunk(b"!\n\n") == b"ses-5f!\n\n"
    assert watch.take_rest() == b""


def test_what_is_no_stream_of_events_is_looked_at_as_far_as_its_first_part() -> None:
    first = b"x" * (WATCHED_BYTES - len(SECRET) - 1)

    assert watched([first, SECRET, b"y"], WATCHED_BYTES) == (first, True)
    begun = b"x" * (WATCHED_BYTES - 5) + SECRET[:5]
    assert watched([begun, SECRET[5:]], WATCHED_BYTES)[1]
    later = [b"x" * WATCHED_BYTES, SECRET]
    assert watched(later, WATCHED_BYTES) == (b"".join(later), False)
    assert watched([b"x" * (2 * WATCHED_BYTES), SECRET])[1]
