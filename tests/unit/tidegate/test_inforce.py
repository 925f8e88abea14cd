"""Where each setting came from."""

from pathlib import Path
from typing import Any

import pytest

from runtime.environment import read_environment
from tidegate.console.inforce import settings_in_force

TEXT = """
[gateway]
max_wait = "5s"
proxy = "http://user:password@proxy.example:3128"

[[servers]]
id = "one.two"
url = "http://127.0.0.1:9001"

[services.music]
daily_limit = 3
paths = ["/v1/music"]
"""


def settings_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **variables: str
) -> dict[str, dict[str, Any]]:
    """The settings of a file and variables, by name."""
    file = tmp_path / "tidegate.toml"
    file.write_text(TEXT)
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEGATE_CONFIG", str(file))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return {setting["name"]: setting for setting in settings_in_force(read_environment())}


def test_a_setting_is_from_the_file_from_a_variable_or_a_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_by_name(tmp_path, monkeypatch, TIDEGATE_GATEWAY_ATTEMPTS_MAX="5")

    assert settings["gateway.max_wait"] == {
        "name": "gateway.max_wait",
        "value": "5s",
        "from": "file",
        "variable": "TIDEGATE_GATEWAY_MAX_WAIT",
        "secret": False,
    }
    attempts = settings["gateway.attempts_max"]
    assert (attempts["value"], attempts["from"]) == ("5", "environment")
    assert settings["gateway.connect_timeout"]["from"] == "default"
    assert settings["servers.one.two.url"]["from"] == "file"
    assert settings["servers.one.two.url"]["variable"] is None
    assert settings["services.music.daily_limit"]["from"] == "file"
    assert settings["services.image.daily_limit"]["from"] == "default"


def test_what_is_secret_is_hidden_and_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_by_name(tmp_path, monkeypatch)

    assert "password" not in str(settings["gateway.proxy"])
    assert settings["gateway.proxy"]["secret"] is True
