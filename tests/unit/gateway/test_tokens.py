"""Signed tokens: a link is short, and nothing but what was signed is read as signed."""

import pytest

from contracts.base import KeyId
from runtime.secrets import Sealer
from services.gateway.signing.tokens import Token, TokenKind, is_signed, read_payload, sign_token

SEALER = Sealer("a master key of this test alone")
LINK = Token(f"lnk_{'ab' * 8}", KeyId(f"key_{'0c' * 8}"), 1_800_000_000)
OF_THE_FIRST_START = Token(f"lnk_{'ab' * 8}", KeyId(f"key_{'0c' * 6}"), 1_800_000_000)


@pytest.mark.parametrize(("token", "characters"), [(LINK, 48), (OF_THE_FIRST_START, 46)])
def test_link_is_short_and_says_what_it_is(token: Token, characters: int) -> None:
    text = sign_token(SEALER, TokenKind.LINK, token, "hash")

    assert (len(text), read_payload(text)) == (characters, token)
    assert is_signed(SEALER, TokenKind.LINK, text, ["other", "hash"])
    assert not is_signed(SEALER, TokenKind.LINK, text, ["other"])
    assert not is_signed(SEALER, TokenKind.SIGN_IN, text, ["hash"])
    assert not is_signed(Sealer("another master key"), TokenKind.LINK, text, ["hash"])


@pytest.mark.parametrize("token", [LINK, OF_THE_FIRST_START])
def test_whatever_is_changed_in_a_link_is_not_signed(token: Token) -> None:
    text = sign_token(SEALER, TokenKind.LINK, token, "hash")
    changed = {
        f"{text[:at]}{letter}{text[at + 1 :]}" for at in range(len(text)) for letter in "AQgw05_-"
    }
    changed |= {text[:-1], f"{text}A", f"{text}.", text[4:], ""}

    read = [
        one
        for one in changed - {text}
        if read_payload(one) and is_signed(SEALER, TokenKind.LINK, one, ["hash"])
    ]

    assert read == []


def test_token_with_ids_of_another_form_is_written_at_length() -> None:
    token = Token("lnk_another", KeyId("key_another"), 1_800_000_000)

    text = sign_token(SEALER, TokenKind.LINK, token, "hash")

    assert ("." in text, read_payload(text)) == (True, token)
    assert is_signed(SEALER, TokenKind.LINK, text, ["hash"])
