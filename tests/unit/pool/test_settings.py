"""What an operator may write for the pool, and what is refused by name."""

from typing import Any

import pytest

from runtime.settings import SettingsError, read_configuration
from services.pool.settings import Settings, policy_of, source_digest


def read(tables: dict[str, Any]) -> Settings:
    return read_configuration(tables, Settings, "tidegate.toml")


def test_defaults_are_those_of_the_original() -> None:
    made = policy_of(read({}))

    assert made.daily_limits == {"image": 10, "video": 2, "avatar": 1}
    assert (made.min_size, made.max_size, made.session_concurrency) == (50, 500, 2)
    assert (made.lease_ttl_s, made.reset_guard_s, made.reconcile_after_s) == (900, 2, 3600)
    assert (made.refresh_threshold, made.stale_threshold_s) == (0.2, 86_400)
    assert (made.check_interval_s, made.checks_per_minute) == (300, 0)


def test_checks_are_made_as_often_as_they_are_asked_for() -> None:
    check = {"kind": "token_check"}

    assert policy_of(read({"pool": {"check": check}})).checks_per_minute == 6
    assert policy_of(read({"pool": {"check": check | {"per_minute": 60}}})).checks_per_minute == 60


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"quota_reset_hour": 24}, "quota_reset_hour: expected a whole hour, 0 to 23"),
        ({"min_size": -1}, "min_size: expected at least 0"),
        ({"min_size": 5, "max_size": 4}, "max_size: expected at least 1, and no less than"),
        ({"min_size": 0, "max_size": 0}, "max_size"),
        ({"refresh_threshold": 1.5}, "refresh_threshold: expected a share"),
        ({"session_concurrency": -1}, "session_concurrency: expected at least 0"),
        ({"lease_ttl": "500ms"}, 'lease_ttl: expected at least "1s"'),
        ({"reset_guard": "1h"}, "reset_guard: expected less"),
        ({"quota_timezone": "Mars/Base"}, "quota_timezone: expected an IANA zone"),
        ({"quota_timezone": "../x"}, "quota_timezone: expected an IANA zone"),
        ({"provisioner": {"kind": "http"}}, "url: expected the address of a hook"),
        ({"provisioner": {"url": "http://x"}}, "url: expected the address of a hook"),
        ({"provisioner": {"token_file": "x"}}, 'token_file: expected with kind = "http" only'),
        ({"provisioner": {"kind": "http", "url": "ftp://x"}}, "url: expected http://"),
        ({"provisioner": {"kind": "http", "url": "http://"}}, "url: expected http://"),
        ({"provisioner": {"kind": "http", "url": "http://[x"}}, "url: expected http://"),
        ({"provisioner": {"kind": "http", "url": "http://me:pw@x"}}, "belong into token_file"),
        ({"provisioner": {"timeout": "0s"}}, "timeout: expected more than"),
        ({"provisioner": {"kind": "file"}}, "path: expected a file"),
        ({"provisioner": {"path": "x"}}, "path: expected a file"),
        ({"provisioner": {"kind": "magic"}}, "pool.provisioner.kind"),
        ({"check": {"kind": "ping"}}, "pool.check.kind"),
        ({"check": {"per_minute": 0}}, "per_minute: expected a whole number from 1 to 600"),
        ({"check": {"per_minute": 601}}, "per_minute: expected a whole number from 1 to 600"),
    ],
)
def test_wrong_value_is_refused_by_name(section: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read({"pool": section})


def test_same_content_has_the_same_source_and_other_content_another() -> None:
    assert source_digest(read({"pool": {"min_size": 50}})) == source_digest(read({}))
    assert source_digest(read({"pool": {"lease_ttl": "900s"}})) == source_digest(read({}))
    assert source_digest(read({"pool": {"min_size": 49}})) != source_digest(read({}))
    assert source_digest(read({"services": {"music": {"daily_limit": 3}}})) != source_digest(
        read({})
    )


def test_tiers_are_tables_of_limits_by_service_type() -> None:
    policy = policy_of(read({"tiers": {"vip": {"image": 50}}, "pool": {"quota_reset_hour": 8}}))

    assert (policy.tiers, policy.quota_reset_hour) == ({"vip": {"image": 50}}, 8)


@pytest.mark.parametrize(
    ("tiers", "named"),
    [
        ({"vip": {"tea": 1}}, r"tiers: \[tiers.vip\]: expected service types .*, got 'tea'"),
        ({"vip": {"image": -1}}, r"tiers: \[tiers.vip\]: expected numbers of at least 0"),
        ({"": {}}, "tiers: expected names of 1 to 64 printable characters"),
        ({" vip": {}}, "tiers: expected names of 1 to 64 printable characters"),
    ],
)
def test_tiers_that_cannot_be_are_refused_by_name(tiers: Any, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        read({"tiers": tiers})
