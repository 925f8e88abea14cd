"""`[balancer]` and `[[servers]]`: what is refused, and by which name."""

import re
from typing import Any

import pytest

from contracts.balancer import Server, StrategyRule
from contracts.base import ServerId, ServiceType
from runtime.settings import SettingsError, read_configuration
from services.balancer.settings import Settings, server_objection, unnameable_servers


def read(tables: dict[str, Any]) -> Settings:
    return read_configuration(tables, Settings, "tidegate.toml")


def entry(**fields: object) -> dict[str, object]:
    return {"id": "server-1", "url": "http://127.0.0.1:9001", **fields}


def ruled(**rule: object) -> dict[str, Any]:
    return {"balancer": {"rules": [{"when": "load > 0.8 for 60s", "use": "round_robin", **rule}]}}


def test_rules_of_the_file_are_those_of_the_log() -> None:
    settings = read(ruled(when="load  >  0.8 for 60s", service_type="video"))

    assert settings.as_configured().rules == [
        StrategyRule(
            when="load > 0.8 for 60s", use="round_robin", service_type=ServiceType("video")
        )
    ]


def test_file_names_a_servers_id_plainly() -> None:
    settings = read({"balancer": {"probe_interval": "2s"}, "servers": [entry(weight=3)]})

    server = settings.servers[0].as_server()

    assert (server.server_id, server.weight, server.max_sessions) == ("server-1", 3, 100)
    assert settings.balancer.probe_interval == 2.0
    assert settings.balancer.strategy == "capability_based"


def test_service_type_may_have_a_strategy_of_its_own() -> None:
    settings = read({"services": {"video": {"daily_limit": 2, "strategy": "round_robin"}}})

    assert settings.as_configured().strategies == {"video": "round_robin"}


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ({"balancer": {"strategy": "fastest"}}, "balancer.strategy: expected one of"),
        ({"balancer": {"probe_interval": "0s"}}, "balancer.probe_interval: expected more"),
        ({"balancer": {"probe_timeout": "0s"}}, "probe_timeout: expected more"),
        ({"balancer": {"probe_failures": 0}}, "probe_failures: expected at least 1"),
        ({"balancer": {"probes": 1}}, "probes"),
        (ruled(when="load is high"), "balancer.rules.0.when: expected such as `failure_rate"),
        (ruled(when="load > 1 for x"), "balancer.rules.0.when: expected a duration such as"),
        (ruled(use="fastest"), "balancer.rules.0.use: expected one of"),
        (ruled(service_type="vidoe"), "service_type: expected service types (avatar, image, video"),
        ({"servers": [entry(probe_path="ping")]}, "server-1.probe_path: expected a path such as"),
        ({"servers": [entry(probe_path="/a b")]}, "server-1.probe_path: expected a path such as"),
        ({"servers": [entry(probe_status=99)]}, "probe_status: expected 0 (any of 2xx) or 200"),
        ({"servers": [entry(probe_body="x" * 1001)]}, "probe_body: expected at most 1000"),
        ({"servers": [entry(), entry()]}, "'server-1' stands twice"),
        ({"servers": [{"id": "server-1"}]}, "servers.server-1: .*url"),
        ({"servers": [entry(id="")]}, "id: expected"),
        ({"servers": [entry(weight=0)]}, "servers.server-1.weight: expected at least 1"),
        ({"servers": [entry(max_sessions=0)]}, "max_sessions: expected at least 1"),
        ({"servers": [entry(capabilities=[""])]}, "capabilities: expected names"),
        ({"servers": [entry(capabilities=["a\r\nX-Evil: 1"])]}, "capabilities: expected names"),
        (
            {"servers": [entry(capabilities=["image", "vidoe"])]},
            "server-1: capabilities: expected service types (avatar, image, video), got 'vidoe'",
        ),
        (
            {"services": {"music": {"daily_limit": 1}}, "servers": [entry(capabilities=["image"])]},
            "server-1: capabilities: expected service types (music), got 'image'",
        ),
        (
            {"services": {"video": {"daily_limit": 1, "strategy": "fastest"}}},
            "services: video: strategy: expected one of",
        ),
        ({"servers": [entry(id="a\r\nX-Evil: 1")]}, "id: expected 1 to 64 printable"),
        ({"servers": [entry(region="r\r\nX-Evil: 1")]}, "region: expected at most 64 printable"),
        ({"servers": [entry(region="\u202etsae")]}, "region: expected at most 64 printable"),
        ({"servers": [entry(region="r" * 65)]}, "region: expected at most 64 printable"),
        ({"servers": [entry(serves=["us", "usa"])]}, "serves: expected regions of us, .*'usa'"),
        ({"servers": [entry(url="http://host/a\x00b")]}, "url: expected an address"),
        ({"servers": [entry(url="http://host/a\u2028b")]}, "url: expected an address"),
    ],
)
def test_wrong_setting_is_refused_by_name(tables: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(named).replace(r"\.\*", ".*")):
        read(tables)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://host", "scheme 'ftp'"),
        ("host:9001", "scheme"),
        ("http://", "expected an address"),
        ("http://host:99999", "expected an address"),
        ("http://host:0", "expected an address"),
        ("http://ho st", "expected an address"),
        ("http://user:secret@host", "without user and password"),
        ("http://user:secret@host:99999", "expected an address"),
        ("http://host/?a=secret", "without query"),
        ("http://169.254.169.254", "link-local"),
        ("http://169.254.0.1:80/x", "link-local"),
        ("http://0xA9FEA9FE", "link-local"),
        ("http://2852039166", "link-local"),
        ("http://[fe80::1%25eth0]:80", "link-local"),
        ("http://[::ffff:169.254.169.254]", "link-local"),
        ("http://100.100.100.200", "metadata"),
        ("http://[fd00:ec2::254]", "metadata"),
        ("http://metadata.google.internal", "metadata"),
        ("http://Metadata.Google.Internal.", "metadata"),
        ("http://0.0.0.0", "no server's address"),
        ("http://224.0.0.1", "no server's address"),
    ],
)
def test_address_that_is_never_a_servers_is_refused(url: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why) as refused:
        read({"servers": [entry(url=url)]})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9001", "https://api.example.com/base", "http://10.0.0.1", "http://[::1]:9"],
)
def test_ordinary_address_is_taken(url: str) -> None:
    assert read({"servers": [entry(url=url)]}).servers[0].url == url


@pytest.mark.parametrize(
    ("field", "number"),
    [
        ("priority", 2**62),
        ("priority", -(2**62)),
        ("weight", 2**53),
        ("max_sessions", 10**31),
        ("level", 2**53),
    ],
)
def test_number_of_a_server_out_of_bounds_is_refused_by_name(field: str, number: int) -> None:
    server = Server(server_id=ServerId("one"), url="http://127.0.0.1:9001", **{field: number})

    assert server_objection(server).startswith(f"{field}: expected ")
    assert "9,007,199,254,740,991" in server_objection(server)


def test_ids_that_nothing_but_the_file_can_name_go_on_working_and_are_named() -> None:
    odd = ["a/b ü", "..", " ", "-x", "x" * 64]
    settings = read({"servers": [entry(id=name) for name in [*odd, "server-1", "A.b_c-9"]]})

    assert unnameable_servers(settings.servers) == (
        "servers: id: expected 1 to 64 letters, digits, `.`, `_` and `-` of ASCII, the first a"
        " letter or a digit, got 'a/b ü', '..', ' ', '-x': works as it is, but no command and no"
        " path of the API can name it"
    )
    assert unnameable_servers(settings.servers[-3:]) == ""
