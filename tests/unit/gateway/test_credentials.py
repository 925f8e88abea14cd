"""A credential as a backend gets it, and what of it nobody else may hear."""

import pytest

from services.gateway.dialects.credentials import (
    authorization_of,
    dialects_able,
    hide_secrets,
    is_too_short,
    secrets_of,
    spellings_of,
)

PROXIED = "socks5://me:password@10.0.0.9:1080@token-of-somebody"


@pytest.mark.parametrize(
    ("region", "credential", "value"),
    [
        ("", "token", b"Bearer token"),
        ("us", "token", b"Bearer us-token"),
        ("", PROXIED, b"Bearer socks5://me:password@10.0.0.9:1080@token-of-somebody"),
        ("jp", PROXIED, b"Bearer socks5://me:password@10.0.0.9:1080@jp-token-of-somebody"),
    ],
)
def test_region_stands_behind_a_proxy(region: str, credential: str, value: bytes) -> None:
    assert authorization_of(region, credential) == value


def test_token_whole_and_password_of_a_proxy_are_told_to_nobody() -> None:
    value = authorization_of("us", PROXIED)
    said = f"{value.decode()} or token-of-somebody or password, at 10.0.0.9"

    told = hide_secrets(said, secrets_of(value), "*")

    assert told == "Bearer * or * or *, at 10.0.0.9"


def test_proxy_without_a_password_hides_the_token_alone() -> None:
    found = secrets_of(b"Bearer http://10.0.0.9:8080@hk-token")

    assert found == (b"http://10.0.0.9:8080@hk-token", b"token")
    assert secrets_of(b"Bearer http://u:pw@h@token")[-1] == b"token"


@pytest.mark.parametrize(
    ("credential", "short"),
    [
        ("t" * 12, False),
        ("t" * 11, True),
        ("us-" + "t" * 11, True),
        (PROXIED, True),
        (PROXIED.replace("password", "a-long-password"), False),
        ("http://10.0.0.9:8080@" + "t" * 12, False),
        ("http://10.0.0.9:8080@token", True),
    ],
)
def test_what_is_too_short_to_be_looked_for_is_known(
    credential: str,
    short: bool,  # noqa: FBT001 (a table's column)
) -> None:
    assert is_too_short(credential) is short
    found = secrets_of(authorization_of("", credential))
    assert (len(spellings_of(found)) < len(found)) is short


@pytest.mark.parametrize(
    ("dialects", "value", "able"),
    [
        ([], b"Bearer token", []),
        (["jimeng-free"], b"Bearer token", ["jimeng-free"]),
        ([], b"Bearer us-token", ["drraw", "jimeng", "plain"]),
        (["jimeng-free-all", "drraw"], b"Bearer us-token", ["drraw"]),
        (["drraw", "jimeng"], b"Bearer http://h@token", ["jimeng"]),
        (["drraw"], b"Bearer http://h@token", ["jimeng", "plain"]),
    ],
)
def test_credential_goes_only_where_it_can_be_said(
    dialects: list[str], value: bytes, able: list[str]
) -> None:
    assert dialects_able(dialects, value) == able
