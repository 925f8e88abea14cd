"""What an operator may write under `[analytics]`, and what is refused by name."""

import pytest

from runtime.settings import SettingsError, read_configuration
from services.analytics.settings import Settings


def analytics_settings(**table: object) -> Settings:
    return read_configuration({"analytics": table}, Settings, "tidegate.toml")


def test_defaults_are_those_of_the_contract() -> None:
    section = Settings().analytics

    assert (section.retention, section.request_log_retention) == (30 * 86_400, 7 * 86_400)


def test_durations_and_sizes_are_written_as_everywhere() -> None:
    section = analytics_settings(retention="60d", memory="2GB", sql_timeout="500ms").analytics

    assert (section.retention, section.memory, section.sql_timeout) == (60 * 86_400, 2e9, 0.5)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"retention": "1h"}, "analytics.retention"),
        ({"request_log_retention": "31d"}, "analytics.request_log_retention"),
        ({"memory": "1MB"}, "analytics.memory"),
        ({"sql_memory": "512MB"}, "analytics.sql_memory"),
        ({"sql_timeout": "0s"}, "analytics.sql_timeout"),
        ({"retention": "soon"}, "analytics.retention"),
        ({"reten": "1d"}, "reten"),
    ],
)
def test_wrong_value_is_refused_by_its_name(table: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        analytics_settings(**table)
