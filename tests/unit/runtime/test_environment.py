"""The variables of a process, and the files of a home."""

import os
from pathlib import Path

import pytest

from contracts.subjects import USERS
from runtime.environment import Home, read_environment
from runtime.nats.connection import nats_urls
from runtime.settings import SettingsError


def test_nothing_set_is_a_home_here_and_a_gateway_on_this_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    found = read_environment({})

    assert found.home.path == tmp_path / ".tidegate"
    assert (found.host, found.port, found.health_port) == ("127.0.0.1", 8080, 0)
    assert (found.config, found.nats_url, found.clock_offset_file) == (None, None, None)
    assert found.api == "http://127.0.0.1:8080"


def test_tidegate_toml_is_used_when_it_is_present(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tidegate.toml").touch()

    assert read_environment({}).config == Path("tidegate.toml")
    assert read_environment({"TIDEGATE_CONFIG": "my.toml"}).config == Path("my.toml")


def configuration_in(folder: Path, here: str | None, home: str | None) -> dict[str, str]:
    """Write the configuration of this folder, and that of the home; the variables."""
    (folder / "home").mkdir()
    for path, text in ((folder, here), (folder / "home", home)):
        if text is not None:
            (path / "tidegate.toml").write_text(text)
    return {"TIDEGATE_HOME": str(folder / "home")}


def test_configuration_of_the_home_is_used_where_this_folder_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = configuration_in(tmp_path, None, "[pool]\n")

    assert read_environment(given).config == tmp_path / "home" / "tidegate.toml"
    assert read_environment({**given, "TIDEGATE_CONFIG": "my.toml"}).config == Path("my.toml")


def test_folder_that_is_named_and_has_no_configuration_is_told(tmp_path: Path) -> None:
    given = {"TIDEGATE_HOME": str(tmp_path / "home"), "TIDEGATE_CONFIG": str(tmp_path)}

    without = read_environment(given)
    (tmp_path / "tidegate.toml").write_text("")
    whole = read_environment(given)

    assert (without.config, without.config_lacking) == (None, tmp_path)
    assert (whole.config, whole.config_lacking) == (tmp_path / "tidegate.toml", None)


@pytest.mark.parametrize("home", ["[pool]\n", "# as here\n[pool]\n", "# none was given\n"])
def test_two_configurations_that_say_the_same_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.chdir(tmp_path)
    found = read_environment(configuration_in(tmp_path, "[pool]\n", home))

    assert (found.config, found.config_unclear) == (Path("tidegate.toml"), None)


@pytest.mark.parametrize("here", ["[pool]\n", "# emptied\n", "no toml\n"])
def test_two_configurations_that_differ_are_named_both_unless_one_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: str
) -> None:
    monkeypatch.chdir(tmp_path)
    given = configuration_in(tmp_path, here, "[gateway]\n")

    unclear = read_environment(given).config_unclear or ""

    assert str(tmp_path / "tidegate.toml") in unclear
    assert str(tmp_path / "home" / "tidegate.toml") in unclear
    assert read_environment({**given, "TIDEGATE_CONFIG": "tidegate.toml"}).config_unclear is None


def test_configuration_of_this_very_folder_is_no_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tidegate.toml").write_text("[pool]\n")
    monkeypatch.chdir(tmp_path)

    assert read_environment({"TIDEGATE_HOME": str(tmp_path)}).config_unclear is None


def test_a_folder_may_hold_the_configuration(tmp_path: Path) -> None:
    assert read_environment({"TIDEGATE_CONFIG": str(tmp_path)}).config is None
    (tmp_path / "tidegate.toml").touch()

    found = read_environment({"TIDEGATE_CONFIG": str(tmp_path)})

    assert found.config == tmp_path / "tidegate.toml"


def test_a_user_is_named_to_every_server_of_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    Home(tmp_path).nats_password("pool").write_text("hush\n")
    given = {"TIDEGATE_HOME": str(tmp_path), "TIDEGATE_NATS_URL": "nats://a:1, nats://b:2"}

    assert nats_urls(read_environment(given), "pool") == [
        "nats://pool:hush@a:1",
        "nats://pool:hush@b:2",
    ]
    given["TIDEGATE_NATS_URL"] = "nats://me:mine@a:1,nats://me:mine@b:2"
    assert nats_urls(read_environment(given), "pool") == [
        "nats://me:mine@a:1",
        "nats://me:mine@b:2",
    ]


def test_the_variables_of_this_process_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_PORT", "8081")

    assert read_environment().port == 8081


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    found = read_environment({"TIDEGATE_PORT": "", "TIDEGATE_NATS_URL": "", "TIDEGATE_POOL_X": ""})

    assert (found.port, found.nats_url, found.overrides) == (8080, None, {})


def test_what_is_not_ours_is_left_alone() -> None:
    given = {"PATH": "/bin", "TIDEGATES_X": "1", "TIDEGATE_POOL_MIN_SIZE": "1"}

    assert read_environment(given).overrides == {"TIDEGATE_POOL_MIN_SIZE": "1"}


@pytest.mark.parametrize("name", ["TIDEGATE_PORT", "TIDEGATE_HEALTH_PORT"])
@pytest.mark.parametrize("text", ["x", "-1", "65536", "1.5", "\u0663", "99999999999999999999"])
def test_a_port_that_is_none_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: expected a port from 0 to 65535, got "):
        read_environment({name: text})


def test_the_clock_is_shifted_in_a_test_home_alone(tmp_path: Path) -> None:
    given = {"TIDEGATE_HOME": str(tmp_path), "TIDEGATE_CLOCK_OFFSET_FILE": str(tmp_path / "o")}

    with pytest.raises(SettingsError, match=r"TIDEGATE_CLOCK_OFFSET_FILE: .* `test-home`"):
        read_environment(given)
    (tmp_path / "test-home").touch()

    assert read_environment(given).clock_offset_file == tmp_path / "o"


def test_passwords_of_nats_users_are_no_settings() -> None:
    given = {f"TIDEGATE_{user.upper()}_NATS_PASSWORD": "x" for user in USERS}

    assert read_environment(given).overrides == {}


def test_a_secret_is_its_variable_or_a_named_file_or_the_homes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read_environment({"TIDEGATE_HOME": str(tmp_path)})
    at_home, named = tmp_path / "home.key", tmp_path / "named.key"
    at_home.write_text("home\n")
    named.write_text("named\n")

    assert found.read_secret("TIDEGATE_SECRET_KEY", at_home) == "home"
    monkeypatch.setenv("TIDEGATE_SECRET_KEY_FILE", str(named))
    assert found.read_secret("TIDEGATE_SECRET_KEY", at_home) == "named"
    monkeypatch.setenv("TIDEGATE_SECRET_KEY", " given ")
    assert found.read_secret("TIDEGATE_SECRET_KEY", at_home) == "given"


def test_a_secret_that_is_nowhere_is_refused_by_its_file(tmp_path: Path) -> None:
    found = read_environment({"TIDEGATE_HOME": str(tmp_path)})

    with pytest.raises(SettingsError, match=r"master\.key: expected the secret that `tidegate mig"):
        found.read_secret("TIDEGATE_NONE_SUCH", found.home.master_key)


def test_an_empty_secret_is_refused_by_its_file(tmp_path: Path) -> None:
    found = read_environment({"TIDEGATE_HOME": str(tmp_path)})
    (tmp_path / "empty.key").write_text("\n")

    with pytest.raises(SettingsError, match=r"empty\.key: expected the secret"):
        found.read_secret("TIDEGATE_NONE_SUCH", tmp_path / "empty.key")


def test_a_secret_that_is_no_text_or_a_blank_variable_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read_environment({"TIDEGATE_HOME": str(tmp_path)})
    file = tmp_path / "some.key"
    file.write_bytes(b"\xff\xfe")
    monkeypatch.setenv("TIDEGATE_NONE_SUCH", "  ")

    with pytest.raises(SettingsError, match=r"some\.key: expected the secret .* can't decode"):
        found.read_secret("TIDEGATE_NONE_SUCH", file)
    assert found.reread_secret("TIDEGATE_NONE_SUCH", file) == ""
    file.write_text("text")
    assert found.reread_secret("TIDEGATE_NONE_SUCH", file) == "text"


def test_every_file_of_a_home_lies_in_it_under_a_name_of_its_own() -> None:
    home = Home(Path("/h"))
    files = [
        home.nats_store,
        home.nats_conf,
        home.config,
        home.config_used,
        home.nats_url,
        home.run,
        home.duckdb,
        home.operator_key,
        home.client_key,
        home.master_key,
        home.identity_key,
        *(home.nats_password(user) for user in USERS),
    ]

    assert len(set(files)) == len(files)
    assert all(file.is_relative_to("/h") for file in files)


def test_file_that_a_setting_names_lies_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    given = {"TIDEGATE_CONFIG": "../there/tidegate.toml", "TIDEGATE_A": "x"}
    found = read_environment(given)

    assert found.file_path("x", "TIDEGATE_B").resolve() == there / "x", "where it is to be put"
    (here / "x").touch()
    assert found.file_path("x", "TIDEGATE_B") == here / "x", "as it was before it was looked for"
    (there / "x").touch()
    assert found.file_path("x", "TIDEGATE_B").resolve() == there / "x"
    assert found.file_path("x", "TIDEGATE_A") == here / "x", "a variable's is looked for here"
    assert found.file_path(str(tmp_path / "y"), "TIDEGATE_B") == tmp_path / "y"
    assert read_environment({}).file_path("x", "TIDEGATE_B") == here / "x"


def test_beside_no_configuration_at_all_nothing_is_looked_for(tmp_path: Path) -> None:
    found = read_environment({"TIDEGATE_HOME": str(tmp_path), "TIDEGATE_CONFIG": os.devnull})

    assert found.file_path("ours.py", "TIDEGATE_B") == Path("ours.py").absolute()
