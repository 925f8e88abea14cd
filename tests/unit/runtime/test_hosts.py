"""Which names of a host are ours."""

import pytest

from runtime.hosts import host_of, is_familiar


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]:8080",
        "[::1]",
        "localhost",
        "LOCALHOST:80",
        "gateway:80",
    ],
)
def test_addresses_and_names_without_a_dot_are_ours(host: str) -> None:
    assert is_familiar(host, ())


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.",
        "ai.",
        "1.2.3",
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert not is_familiar(host, ())


def test_configured_names_are_ours_in_any_letter_case_and_on_any_port() -> None:
    assert is_familiar("Gate.Example.org:443", {"gate.example.org"})
    assert not is_familiar("x.gate.example.org", {"gate.example.org"})


def test_host_is_read_of_whoever_says_one() -> None:
    assert host_of([(b"accept", b"*/*"), (b"host", b"gateway:80")]) == "gateway:80"
    assert host_of([]) == ""
