"""What `init` takes, refuses and writes."""

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runtime.environment import read_environment
from runtime.settings import SettingsError
from tidegate.configuration import Configuration, load_configuration
from tidegate.main import verb_application
from tidegate.probing.asking import Probed
from tidegate.probing.freecalls import ServerTried
from tidegate.setup.tomltext import configuration_text
from tidegate.setup.wishes import (
    CredentialsFile,
    Wishes,
    read_count,
    read_credentials,
    read_limits,
    servers_objection,
)

ONE, TWO = "http://127.0.0.1:8000", "http://10.0.0.7:8000"


def server_tried(
    url: str, dialect: str = "plain", probe_path: str = "/ping", why: str = ""
) -> ServerTried:
    return ServerTried(probed=Probed(url=url, dialect=dialect, why=why), probe_path=probe_path)


def as_configuration(text: str, folder: Path) -> Configuration:
    """Read what was written as a service would."""
    file = folder / "tidegate.toml"
    file.write_text(text)
    given = {"TIDEGATE_HOME": str(folder / "home"), "TIDEGATE_CONFIG": str(file)}
    return load_configuration(read_environment(given))


def credentials_at(path: Path, good: int) -> CredentialsFile:
    return CredentialsFile(path, good, None, None, open_to_others=False)


def test_what_was_found_of_servers_is_in_the_file(tmp_path: Path) -> None:
    found = [
        server_tried(ONE, "jimeng"),
        server_tried(TWO, probe_path="/v1/models"),
        server_tried("http://a", probe_path=""),
        server_tried("http://b", why="connection refused"),
    ]
    wishes = Wishes(servers=[server.probed.url for server in found])

    text = configuration_text(wishes, found, tmp_path)

    servers = as_configuration(text, tmp_path).servers
    assert [(one.server_id, one.url) for one in servers] == [
        (f"server-{number}", server.probed.url) for number, server in enumerate(found, 1)
    ]
    assert [one.dialect for one in servers] == ["jimeng", "plain", "plain", "plain"]
    assert [one.probe_path for one in servers] == ["/ping", "/v1/models", "/ping", "/ping"]
    assert ("no good probe" in text, "it did not answer" in text) == (True, True)


def test_sessions_are_as_many_as_the_file_has(tmp_path: Path) -> None:
    named = Wishes(servers=[ONE], credentials=credentials_at(tmp_path / "sessions.txt", 700))
    empty = Wishes(servers=[ONE], credentials=credentials_at(Path("/elsewhere/s.txt"), 0))

    pool = as_configuration(configuration_text(named, [server_tried(ONE)], tmp_path), tmp_path).pool
    of_empty = as_configuration(
        configuration_text(empty, [server_tried(ONE)], tmp_path), tmp_path
    ).pool

    assert (pool.provisioner.kind, pool.provisioner.path) == ("file", "sessions.txt")
    assert (pool.min_size, pool.max_size) == (700, 700)
    assert (of_empty.min_size, of_empty.provisioner.path) == (1, "/elsewhere/s.txt")


def test_hook_zone_and_limits_are_in_the_file(tmp_path: Path) -> None:
    wishes = Wishes(
        servers=[ONE],
        hook="https://accounts.example.org/x",
        token_file="token",
        sessions=7,
        timezone="Asia/Shanghai",
        limits=read_limits(["image=60", "avatar=0"]),
    )

    whole = as_configuration(configuration_text(wishes, [server_tried(ONE)], Path()), tmp_path)

    assert (whole.pool.min_size, whole.pool.quota_timezone) == (7, "Asia/Shanghai")
    assert whole.pool.provisioner.url == "https://accounts.example.org/x"
    assert whole.pool.provisioner.token_file == "token"
    assert {name: service.daily_limit for name, service in whole.services.items()} == {
        "image": 60,
        "video": 2,
        "avatar": 0,
    }


def test_demo_names_no_server_and_no_source_of_sessions(tmp_path: Path) -> None:
    tables = tomllib.loads(configuration_text(Wishes(), [], tmp_path))

    assert set(tables) == {"pool", "services"}
    assert tables["pool"] == {"quota_timezone": "UTC"}


def test_servers_without_a_source_wait_for_sessions_by_hand(tmp_path: Path) -> None:
    tables = tomllib.loads(configuration_text(Wishes(servers=[ONE]), [server_tried(ONE)], tmp_path))

    assert tables["pool"]["provisioner"] == {"kind": "none"}
    assert tables["pool"]["min_size"] == 0


def test_file_of_credentials_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "sessions.txt"
    file.write_text("# mine\naccount-one\ntwo words\nus-account-two\n")
    file.chmod(0o640)

    read = read_credentials(file)

    assert (read.good, read.open_to_others) == (2, True)
    assert read.first is not None
    assert read.fault is not None
    assert read.fault.startswith("line 3: ")
    assert "two words" not in read.fault
    with pytest.raises(SettingsError, match="one credential a line"):
        read_credentials(tmp_path / "absent")


@pytest.mark.parametrize(
    "limit", ["image", "images=3", "image=-1", "image=many", "image=9" + "9" * 30]
)
def test_limit_that_is_none_is_refused_by_name(limit: str) -> None:
    with pytest.raises(SettingsError, match="--limit"):
        read_limits([limit])


def test_count_is_a_whole_number() -> None:
    assert read_count("007", "sessions") == 7

    with pytest.raises(SettingsError, match="sessions: expected a whole number"):
        read_count("1.5", "sessions")


def test_address_may_be_given_once() -> None:
    assert servers_objection([ONE, TWO]) is None
    assert servers_objection([ONE, ONE + "/"]) == "expected every address once"
    assert "scheme" in (servers_objection(["ftp://10.0.0.7"]) or "")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "--demo, or at least one --server"),
        (["--demo", "--server", ONE], "--demo"),
        (["--server", ONE, "--credentials", "x", "--hook", "http://hook"], "--hook"),
        (["--server", ONE, "--hook", "ftp://hook"], "--hook"),
        (["--server", ONE, "--timezone", "Mars"], "--timezone"),
    ],
)
def test_options_that_contradict_are_wrong_usage(
    words: list[str], named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(verb_application("init"), ["init", *words], env={"COLUMNS": "200"})

    assert (done.exit_code, named in done.output) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_there_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "tidegate.toml"
    file.write_text("# mine\n")
    run = CliRunner().invoke

    with pytest.raises(SettingsError, match="--force"):
        run(verb_application("init"), ["init", "--demo"], catch_exceptions=False)
    forced = run(verb_application("init"), ["init", "--demo", "--force"])

    assert (forced.exit_code, "min_size" in file.read_text()) == (0, False)
    assert "Made by `tidegate init`" in file.read_text()
    assert [one.name for one in tmp_path.iterdir()] == ["tidegate.toml"]
