"""`tidegate config`: what is in force, as a file that means the same, without secrets."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from runtime.environment import read_environment
from runtime.settings import SettingsError
from services.gateway.settings import Settings as GatewaySettings
from services.pool.settings import Settings as PoolSettings
from services.pool.settings import source_digest
from tests import ROOT
from tidegate.configuration import load_configuration, settings_loader
from tidegate.console.shown import HIDDEN
from tidegate.doctor.home import home_findings as home_looked_at
from tidegate.main import verb_application
from tidegate.stack import demo_servers

ODD = """
[services."a b"]
daily_limit = 1
paths = ["/a \\"b\\"", "/\\u007f\\t"]
[pool]
lease_ttl = "1.5s"
reset_guard = 0
health_check_interval = "36h"
[log]
max_bytes = "3GB"
[[servers]]
id = "one"
url = "http://127.0.0.1:9001"
capabilities = ["image"]
[[servers]]
id = "two"
url = "http://127.0.0.1:9002"
"""


def typed_config(home: Path, *words: str, **given: str) -> Result:
    given = {f"TIDEGATE_{name}": value for name, value in given.items()}
    return CliRunner().invoke(
        verb_application("config"), ["config", *words], env={"TIDEGATE_HOME": str(home), **given}
    )


def test_what_is_shown_means_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    file, shown = tmp_path / "odd.toml", tmp_path / "shown.toml"
    file.write_text(ODD)

    done = typed_config(tmp_path, "show", CONFIG=str(file))
    shown.write_text(done.stdout)

    assert done.exit_code == 0
    assert load_configuration(
        read_environment({"TIDEGATE_CONFIG": str(shown)})
    ) == load_configuration(read_environment({"TIDEGATE_CONFIG": str(file)}))


def test_durations_are_shown_in_the_unit_that_fits(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(ODD)

    pool = tomllib.loads(typed_config(tmp_path, "show", CONFIG=str(file)).stdout)["pool"]

    assert pool["lease_ttl"] == "1.5s"
    assert pool["reset_guard"] == "0s"
    assert pool["health_check_interval"] == "36h"
    assert pool["stale_threshold"] == "1d"
    assert pool["reconcile_after"] == "1h"


def test_variables_are_in_what_is_shown(tmp_path: Path) -> None:
    found = json.loads(typed_config(tmp_path, "show", "--json", POOL_MIN_SIZE="3").stdout)

    assert found["pool"]["min_size"] == 3
    assert found["environment"]["TIDEGATE_POOL_MIN_SIZE"] == "3"


@pytest.mark.parametrize("words", [["show"], ["show", "--json"]])
def test_no_secret_is_shown(tmp_path: Path, words: list[str]) -> None:
    done = typed_config(
        tmp_path,
        *words,
        SECRET_KEY="hush-1",
        ADMIN_KEY="hush-2",
        CLIENT_KEY="hush-3",
        IDENTITY_KEY="hush-4",
        POOL_NATS_PASSWORD="hush-5",
        NATS_URL="nats://pool:hush-6@127.0.0.1:4222",
        GATEWAY_PROXY="http://me:hush-7@proxy.example:3128",
        SECRET_KEY_FILE="where-it-lies",
    )

    assert done.exit_code == 0
    assert "hush" not in done.stdout
    assert f"nats://{HIDDEN}@127.0.0.1:4222" in done.stdout
    assert done.stdout.count(f"http://{HIDDEN}@proxy.example:3128") == 2
    assert "where-it-lies" in done.stdout


def test_check_says_what_was_checked(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(ODD)

    assert typed_config(tmp_path, "check").stdout == "ok: the defaults\n"
    done = typed_config(tmp_path, "check", CONFIG=str(file), POOL_MIN_SIZE="3")
    assert done.stdout == f"ok: {file} and TIDEGATE_POOL_MIN_SIZE\n"
    found = json.loads(typed_config(tmp_path, "check", "--json", CONFIG=str(file)).stdout)
    assert found.pop("foreseen")[-1].startswith("nothing says where sessions come from")
    assert isinstance(found.pop("starts"), bool)
    assert found == {"ok": True, "file": str(file), "variables": []}


def test_check_refuses_a_wrong_file_by_name(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_text("[pool]\nmin_size = -1\n")

    done = typed_config(tmp_path, "check", CONFIG=str(file))

    assert isinstance(done.exception, SettingsError)
    assert str(done.exception) == f"{file}: pool.min_size: expected at least 0"


def test_two_files_that_differ_are_refused_by_every_verb_that_reads_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tidegate.toml").write_text("[pool]\nmin_size = 1\n")
    (home / "tidegate.toml").write_text("[pool]\nmin_size = 2\n")

    for words in (["check"], ["show"]):
        done = typed_config(home, *words)
        assert isinstance(done.exception, SettingsError)
        assert str(tmp_path / "tidegate.toml") in str(done.exception)
        assert str(home / "tidegate.toml") in str(done.exception)


def test_show_writes_a_file_and_none_that_is_there(tmp_path: Path) -> None:
    file, made = tmp_path / "odd.toml", tmp_path / "made.toml"
    file.write_text(ODD)

    assert typed_config(tmp_path, "show", "-o", str(made), CONFIG=str(file)).exit_code == 0
    assert load_configuration(
        read_environment({"TIDEGATE_CONFIG": str(made)})
    ) == load_configuration(read_environment({"TIDEGATE_CONFIG": str(file)}))
    done = typed_config(tmp_path, "show", "-o", str(file), CONFIG=str(file))

    assert isinstance(done.exception, SettingsError)
    assert str(file) in str(done.exception)
    assert file.read_text() == ODD


def test_show_writes_to_standard_output_for_a_dash(tmp_path: Path) -> None:
    assert typed_config(tmp_path, "show", "-o", "-").stdout == typed_config(tmp_path, "show").stdout


@pytest.mark.parametrize("words", [["show"], ["show", "-o", "made.toml"]])
def test_what_is_hidden_is_set_by_no_written_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file, proxy = tmp_path / "odd.toml", "http://me:hush@proxy.example:3128"
    file.write_text(f'{ODD}[gateway]\nproxy = "{proxy}"\n')

    done = typed_config(tmp_path, *words, CONFIG=str(file), NATS_URL=f"{proxy}\nport = 1")
    shown = done.stdout or (tmp_path / "made.toml").read_text()

    left_out = "left out, for a secret is in it: gateway.proxy; "
    assert done.stderr.startswith(left_out)
    assert f"\n# {left_out}" in shown

    assert f'\n# proxy = "http://{HIDDEN}@proxy.example:3128"\n' in shown
    (tmp_path / "again.toml").write_text(shown)
    again = load_configuration(read_environment({"TIDEGATE_CONFIG": str(tmp_path / "again.toml")}))
    meant = load_configuration(read_environment({"TIDEGATE_CONFIG": str(file)}))
    assert again.gateway == msgspec.structs.replace(meant.gateway, proxy="")
    assert (again.servers, again.pool) == (meant.servers, meant.pool)


def test_values_of_the_query_of_an_address_are_hidden(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    url = "https://hook.example/sessions?token=hush&hush"
    file.write_text(f'[pool.provisioner]\nkind = "http"\nurl = "{url}"\n')

    done = typed_config(tmp_path, "show", CONFIG=str(file))

    assert "hush" not in done.output
    assert f'\n# url = "https://hook.example/sessions?token={HIDDEN}&{HIDDEN}"\n' in done.stdout
    assert "pool.provisioner.url" in done.stderr
    for shown in (f"token={HIDDEN}", HIDDEN, f"a=1&token={HIDDEN}&b=2"):
        file.write_text(f'[pool.provisioner]\nkind = "http"\nurl = "https://h.example/?{shown}"\n')
        refused = typed_config(tmp_path, "check", CONFIG=str(file))
        assert f"{file}: pool.provisioner.url: expected the secret itself" in str(refused.exception)


def test_files_that_differ_by_a_byte_order_mark_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tidegate.toml").write_bytes(b"\xef\xbb\xbf[pool]\nmin_size = 1\n")
    (home / "tidegate.toml").write_bytes(b"[pool]\nmin_size = 1\n")

    assert typed_config(home, "check").exit_code == 0


def test_what_stands_for_a_secret_is_none(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(f'{ODD}[gateway]\nproxy = "http://{HIDDEN}@proxy.example:3128"\n')

    done = typed_config(tmp_path, "check", CONFIG=str(file))

    assert str(done.exception).startswith(f"{file}: gateway.proxy: expected the secret itself")
    for name, value in (
        ("NATS_URL", f"nats://{HIDDEN}@127.0.0.1"),
        ("ADMIN_KEY", HIDDEN),
        ("GATEWAY_PROXY", f"http://{HIDDEN}@proxy"),
    ):
        done = typed_config(tmp_path, "check", **{name: value})
        assert str(done.exception).startswith(f"TIDEGATE_{name}: expected the secret itself")


def test_configuration_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_bytes('\ufeff[[servers]]\nid = "a"\nurl = "http://a"\nregion = "ü"\n'.encode())
    given = {**os.environ, "PYTHONPATH": str(ROOT), "TIDEGATE_HOME": str(tmp_path / "home")}
    given |= {"PYTHONIOENCODING": "latin-1", "TIDEGATE_CONFIG": str(file)}
    command = [sys.executable, "-m", "tidegate.main", "config", "show"]

    done = subprocess.run(command, env=given, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    (server,) = tomllib.loads(done.stdout.decode())["servers"]
    assert server["region"] == "ü"


def test_show_into_the_very_file_says_what_the_shell_has_done(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_text(ODD)
    command = f"{sys.executable} -m tidegate.main config show > tidegate.toml"
    given = {**os.environ, "PYTHONPATH": str(ROOT), "TIDEGATE_HOME": str(tmp_path / "home")}

    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "tidegate.toml: the shell has emptied it" in done.stderr


def test_servers_of_the_demo_are_shown_as_nobodys_configuration(tmp_path: Path) -> None:
    demo_servers.place_servers(read_environment({"TIDEGATE_HOME": str(tmp_path)}).home)

    shown = typed_config(tmp_path, "show").stdout

    assert "servers" not in tomllib.loads(shown)
    assert shown.count("# server of the demo") == 4


def concurrency(home: Path, written: str, **given: str) -> int:
    file = home / "tidegate.toml"
    file.write_text(written)
    given = {f"TIDEGATE_{name}": value for name, value in given.items()}
    return load_configuration(
        read_environment({"TIDEGATE_CONFIG": str(file), **given})
    ).pool.session_concurrency


def test_session_of_real_backends_does_one_thing_at_once_unless_told_otherwise(
    tmp_path: Path,
) -> None:
    plain = '[[servers]]\nid = "p"\nurl = "http://127.0.0.1:9000"\n'
    speaking = f'{plain}[[servers]]\nid = "j"\nurl = "http://127.0.0.1:9001"\ndialect = "jimeng"\n'

    assert concurrency(tmp_path, "") == concurrency(tmp_path, plain) == 2
    assert concurrency(tmp_path, speaking) == 1
    assert concurrency(tmp_path, f"{speaking}[pool]\nmin_size = 3\n") == 1
    assert concurrency(tmp_path, f"{speaking}[pool]\nsession_concurrency = 2\n") == 2
    assert concurrency(tmp_path, speaking, POOL_SESSION_CONCURRENCY="3") == 3


FILES = """
[gateway]
spool = "spooled"
[pool.provisioner]
kind = "file"
path = "sessions.txt"
"""


def test_files_that_are_named_are_found_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    file, sessions = home / "tidegate.toml", home / "sessions.txt"
    file.write_text(FILES)
    monkeypatch.chdir(elsewhere)

    said = typed_config(home, "check").stdout
    sessions.write_text("one\n")
    told = json.loads(typed_config(home, "check", "--json").stdout)
    copied = typed_config(home, "show", "-o", "copy.toml")

    assert f"pool.provisioner.path: {sessions} (it is not there)" in said
    assert told["files"] == {
        "pool.provisioner.path": str(sessions),
        "gateway.spool": str(home / "spooled"),
    }
    assert copied.exit_code == 0, copied.output
    shown = tomllib.loads((elsewhere / "copy.toml").read_text())
    assert shown["pool"]["provisioner"]["path"] == str(sessions), "it means the same here"
    found = read_environment({"TIDEGATE_HOME": str(home)})
    pool = settings_loader(found, PoolSettings)()
    assert (pool.pool.provisioner.path, pool.file) == ("sessions.txt", str(sessions))
    assert settings_loader(found, GatewaySettings)().gateway.spool == str(home / "spooled")
    findings = [one for one in home_looked_at(found) if one.area == "sessions"]
    assert [one.message for one in findings] == [f"{sessions}: 1 credential"]


def test_a_file_that_did_not_change_is_not_read_into_settings_anew(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_text("[pool]\nmin_size = 3\n")
    load = settings_loader(read_environment({"TIDEGATE_HOME": str(tmp_path)}), PoolSettings)

    first = load()

    assert load() is first
    (tmp_path / "tidegate.toml").write_text("[pool]\nmin_size = 4\n")
    assert load().pool.min_size == 4
    (tmp_path / "tidegate.toml").write_text("[pool]\nmin_size = 'x'\n")
    with pytest.raises(SettingsError, match="min_size"):
        load()
    (tmp_path / "tidegate.toml").write_text("[pool]\nmin_size = 3\n")
    assert load() == first


def test_file_that_has_come_beside_the_configuration_is_taken_though_that_did_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    text = '[pool.provisioner]\nkind = "file"\npath = "sessions.txt"\n'
    (home / "tidegate.toml").write_text(text)
    (here / "sessions.txt").touch()
    load = settings_loader(read_environment({"TIDEGATE_HOME": str(home)}), PoolSettings)
    before = load().file

    (home / "sessions.txt").touch()

    assert (before, load().file) == (str(here / "sessions.txt"), str(home / "sessions.txt"))


def test_where_a_file_lies_is_no_other_policy() -> None:
    assert source_digest(PoolSettings(file="/here")) == source_digest(PoolSettings(file="/there"))


@pytest.mark.parametrize("name", ["Staging", "1st", "a b", "a" * 33, "é"])
def test_name_of_a_stack_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    done = typed_config(tmp_path, "check", STACK_NAME=name)

    assert isinstance(done.exception, SettingsError)
    assert "TIDEGATE_STACK_NAME: expected a name such as" in str(done.exception)
