"""Servers that do too much for anybody, and who may reach them."""

import ipaddress
from typing import Any

import pytest

from contracts.balancer import Server
from contracts.base import ServerId
from runtime.process.findings import DoctorFinding
from tidegate.doctor.exposure import reach_findings
from tidegate.probing.asking import Probed

HERE = "http://127.0.0.1:8000"


def looked_at(url: str, dialect: str, recognised: str, *addresses: str) -> list[DoctorFinding]:
    server = Server(server_id=ServerId("one"), url=url, dialect=dialect)
    asked: list[int] = []

    def listens(port: int) -> list[Any]:
        asked.append(port)
        return [ipaddress.ip_address(one) for one in addresses]

    told = list(reach_findings([server], [Probed(url=url, dialect=recognised)], listens))
    assert asked in ([], [8000], [443])
    return told


@pytest.mark.parametrize(
    ("url", "addresses", "code", "state"),
    [
        (HERE, ["0.0.0.0"], "server_open", "note"),
        (HERE, ["::"], "server_open", "note"),
        (HERE, ["127.0.0.1", "10.0.0.7"], "server_open", "note"),
        (HERE, ["127.0.0.1"], "", "fine"),
        ("http://[::1]:8000", ["::1"], "", "fine"),
        ("https://localhost", ["127.0.0.1"], "", "fine"),
        (HERE, [], "", "not checked here"),
        ("http://10.0.0.7:8000", ["10.0.0.7"], "server_reach_unseen", "note"),
        ("http://backend:8000", [], "server_reach_unseen", "note"),
    ],
)
@pytest.mark.parametrize("dialect", ["jimeng-free-all", "drraw"])
def test_who_may_reach_it_is_told_as_far_as_it_is_seen(
    dialect: str, url: str, addresses: list[str], code: str, state: str
) -> None:
    (told,) = looked_at(url, dialect, "plain", *addresses)

    assert (told.code, str(told.state)) == (code, state)
    assert url in told.message
    assert bool(told.cure) == bool(code)


def test_server_is_dangerous_also_where_it_is_only_recognised() -> None:
    (told,) = looked_at(HERE, "plain", "drraw", "::")

    assert "recognised though it is plain" in told.message
    assert "/proxy/config" in told.message


@pytest.mark.parametrize("dialect", ["plain", "jimeng", "jimeng-free"])
def test_others_may_be_reached_by_anybody(dialect: str) -> None:
    assert looked_at(HERE, dialect, "plain", "::") == []
