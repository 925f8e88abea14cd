"""`tidegate up` as somebody at a terminal meets it: real processes, a home of its own."""

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import httpx
import pytest
import structlog

from runtime.environment import Environment, read_environment
from runtime.nats import natsserver
from runtime.process import lifecycle
from tests import ROOT
from tests.integration.tidegate.up import WAIT_S, Up
from tests.waiting import until, wait_for
from tidegate.configuration import Configuration, load_configuration
from tidegate.stack.running import RunningStack

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up"), pytest.mark.timeout(240)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    started = Up(tmp_path_factory.mktemp("up") / "home", natsserver.free_port()).start()
    yield started
    started.stop()


def test_the_line_it_prints_works_when_pasted(up: Up) -> None:
    answer = up.curl()

    assert answer["data"][0]["url"].startswith("http")


def test_what_the_readme_shows_of_the_sdk_works_as_it_stands(up: Up) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code is not None
    here = code[1].replace(":8080", f":{up.port}").replace(".tidegate/", f"{up.home}/")

    done = subprocess.run(
        [sys.executable, "-c", here], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("http")


def test_the_keys_lie_where_it_says_and_only_their_owner_reads_them(up: Up) -> None:
    for name in ("client.key", "operator.key"):
        assert name in up.said()
        assert (up.home / name).stat().st_mode & 0o777 == 0o600
    secrets = list((up.home / "secrets").iterdir())
    assert [
        path for path in secrets if path.name != "server.conf" and path.stat().st_mode & 0o077
    ] == []


def test_run_file_lists_every_child_with_its_health_port(up: Up) -> None:
    names = {"pool", "balancer", "analytics", "gateway"}
    demos = {f"demo-server-{number}" for number in range(1, 5)}

    run = json.loads((up.home / "run.json").read_text())

    assert up.process is not None
    assert run["supervisor"] == up.process.pid
    assert run["url"] == f"http://127.0.0.1:{up.port}"
    assert {child["name"] for child in run["children"]} == {"nats", *names, *demos}
    ports = [child["health_port"] for child in run["children"] if child["name"] in names]
    assert len(set(ports)) == len(ports)
    assert 0 not in ports


def test_verbs_find_the_gateway_of_the_home_on_whatever_port(up: Up) -> None:
    done = up.run("keys", "list", TIDEGATE_PORT="")

    assert done.returncode == 0, done.stderr
    assert "operator" in done.stdout


def test_wrong_usage_names_the_command_as_it_is_typed(up: Up) -> None:
    done = up.run("nosuch")

    assert done.returncode == 2
    assert "Usage: tidegate " in done.stderr


def test_second_up_in_the_same_home_is_refused(up: Up) -> None:
    done = up.run("up", TIDEGATE_PORT=str(natsserver.free_port()))

    assert done.returncode == 2
    assert "TIDEGATE_HOME: another `tidegate up` runs in" in done.stderr


def test_port_in_use_is_refused_by_name(up: Up) -> None:
    done = up.run("up", TIDEGATE_HOME=str(up.home.with_name("other")))

    assert done.returncode == 2
    assert f"TIDEGATE_PORT: something listens on 127.0.0.1:{up.port} already" in done.stderr


@pytest.mark.parametrize("name", ["pool", "nats"])
def test_child_that_dies_is_started_again_and_the_log_says_so(up: Up, name: str) -> None:
    before = up.child(name)

    os.kill(before["pid"], signal.SIGKILL)

    wait_for(lambda: up.child(name)["restarts"] == before["restarts"] + 1)

    assert up.child(name)["pid"] != before["pid"]

    wait_for(
        lambda: (
            [event["event"] for event in up.events() if event.get("child") == name][-2:]
            == ["child_died", "child_restarted"]
        )
    )

    assert "data" in up.curl()


def test_state_outlives_a_stop_and_a_second_start(up: Up) -> None:
    key = (up.home / "client.key").read_text()
    pids = [child["pid"] for child in json.loads((up.home / "run.json").read_text())["children"]]

    assert up.stop() == 0
    assert [event["event"] for event in up.events()][-2:] == ["draining", "stopped"]
    assert "nats_disconnected" not in up.said().rpartition('"draining"')[2]
    assert [pid for pid in pids if alive(pid)] == []
    assert not (up.home / "run.json").exists()
    up.start()

    assert (up.home / "client.key").read_text() == key
    assert "data" in up.curl()


def test_second_interrupt_does_not_wait_for_what_is_under_way(up: Up) -> None:
    for server in json.loads((up.home / "demo-servers.json").read_text()):
        slow = [{"kind": "latency", "latency_ms": 60_000}]
        told = httpx.post(f"{server['url']}/demo/faults", json=slow)
        assert told.status_code == 200, told.text
    line = re.search(r"^curl .*$", up.said(), re.MULTILINE)
    assert line is not None
    caller = subprocess.Popen(
        ["sh", "-c", f"exec {line[0]}"], cwd=up.home.parent, stdout=subprocess.DEVNULL
    )
    metrics = f"http://127.0.0.1:{up.child('gateway')['health_port']}/metrics"
    wait_for(lambda: "tidegate_gateway_open_exchanges 1.0" in httpx.get(metrics).text)
    assert up.process is not None
    before = len(up.said())

    up.process.send_signal(signal.SIGINT)
    wait_for(lambda: "draining" in up.said()[before:])
    assert up.process.poll() is None
    up.stop()
    caller.wait(WAIT_S)

    lines = up.said()[before:].splitlines()
    said = [json.loads(line) for line in lines if line.startswith("{")]
    stopped = {one["service"] for one in said if one["event"] == "stopped"}
    assert stopped == {"up"}, "nobody else came to the end of its draining"
    up.start()


def test_audit_of_all_that_finds_nothing_wrong(up: Up) -> None:
    done = up.run("audit", "--json")

    assert done.returncode == 0, done.stdout + done.stderr


def test_home_of_an_up_that_was_killed_is_tidied_and_used_again(up: Up) -> None:
    nats = up.child("nats")["pid"]

    assert up.stop(signal.SIGKILL) == -signal.SIGKILL
    assert alive(nats)
    up.start()

    assert not alive(nats)
    assert "leftovers_ended" in up.said()
    assert "data" in up.curl()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TIDEGATE_POOL_MIN_SISE": "1"}, "did you mean TIDEGATE_POOL_MIN_SIZE?"),
        ({"TIDEGATE_PORT": "eighty"}, "TIDEGATE_PORT: expected a port from 0 to 65535"),
        ({"TIDEGATE_HOST": "nowhere.invalid"}, "cannot listen on nowhere.invalid:"),
        ({"TIDEGATE_CONFIG": "absent.toml"}, "absent.toml: there is no such file"),
        ({"TIDEGATE_CLIENT_KEY": "short"}, "TIDEGATE_CLIENT_KEY: expected at least 16"),
    ],
)
def test_wrong_variable_is_refused_by_name_before_anything_starts(
    tmp_path: Path, variables: dict[str, str], expected: str
) -> None:
    home = tmp_path / "home"
    done = Up(home, natsserver.free_port()).run("up", **variables)

    assert done.returncode == 2
    assert expected in done.stderr
    assert "draining" not in done.stdout + done.stderr
    assert not (home / "nats").exists()


def test_no_line_to_paste_is_printed_with_a_key_that_was_revoked(tmp_path: Path) -> None:
    variables = {"TIDEGATE_HOME": str(tmp_path), "TIDEGATE_PORT": "8080"}
    stack = RunningStack(read_environment(variables), Configuration())

    told = stack._start_words(
        {"client": "client.key opens nothing: key_1 was revoked."}, ""
    ).plain_text()

    assert "client.key opens nothing: key_1 was revoked.\n" in told
    assert "curl" not in told


def test_printed_paths_survive_a_shell(up: Up) -> None:
    line = re.search(r"^curl .*$", up.said(), re.MULTILINE)

    assert line is not None
    assert "-H" in shlex.split(line[0])


async def test_change_that_needs_a_new_start_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks at the file are counted: each text of it is looked at before the next is written."""
    file = tmp_path / "tidegate.toml"
    file.write_text("[gateway]\nworkers = 1\n")
    found = read_environment(
        {"TIDEGATE_HOME": str(tmp_path / "home"), "TIDEGATE_CONFIG": str(file)}
    )
    looks = 0

    def looked(one: Environment) -> Configuration:
        nonlocal looks
        looks += 1
        return load_configuration(one)

    async def seen() -> None:
        before = looks
        await until(lambda: looks >= before + 2)

    monkeypatch.setattr("tidegate.stack.running._LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("tidegate.stack.running.load_configuration", looked)
    stack = RunningStack(found, load_configuration(found))
    with structlog.testing.capture_logs() as told:
        stack.log = structlog.get_logger()
        following = asyncio.create_task(stack._follow_settings())
        await seen()
        for text in ("[gateway]\nworkers = 3\n", "[gateway]\nworkers = 'many'\n"):
            file.write_text(text)
            await seen()
        await lifecycle.end_tasks(following)

    assert told == [
        {
            "event": "restart_needed",
            "log_level": "warning",
            "setting": "gateway.workers",
            "in_force": 1,
            "configured": 3,
        }
    ]


def test_it_goes_on_without_analytics_and_says_so(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with duckdb.connect(str(home / "analytics.duckdb")) as later:
        later.execute("create schema ledger")
        later.execute("create table ledger.migrations (name varchar, applied_at timestamp)")
        later.execute("insert into ledger.migrations values ('999_later', now())")
    up = Up(home, natsserver.free_port()).start()
    try:
        answer = up.curl()
        health = httpx.get(f"http://127.0.0.1:{up.port}/health").json()
        doctor = json.loads(up.run("doctor", "--json").stdout)
        said, events = up.said(), up.events()
    finally:
        up.stop()

    assert answer["data"][0]["url"].startswith("http")
    assert "No statistics for now: analytics is not ready after 10 s" in said
    assert "without_statistics" in [event["event"] for event in events]
    assert "the file was written by a later version (it has 999_later)" in said
    assert "Traceback" not in said
    assert health["status"] == "degraded"
    assert health["statistics"] == {
        "current": False,
        "sequence": 0,
        "reason": "analytics does not answer",
    }
    assert "analytics_absent" in [finding["code"] for finding in doctor["findings"]]
