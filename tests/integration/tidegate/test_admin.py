"""The verbs that ask a gateway, against real operator doors with real services behind them."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from nats.aio.client import Client
from typer.testing import CliRunner

from contracts.base import ServerId
from runtime.nats import natsserver
from runtime.secrets import session_identity
from runtime.settings import SettingsError
from services.balancer.settings import ServerSection
from services.gateway.routes import operator_app
from tests.integration.gateway.doors import desk, good_server, house
from tests.integration.gateway.office import has_figures
from tests.waiting import eventually
from tidegate.console.errors import CommandError
from tidegate.main import verb_application
from tidegate.probing import servertexts

pytestmark = pytest.mark.anyio
TYPES = ("image", "nothing")


@dataclass
class Terminal:
    """Where verbs are typed."""

    environment: dict[str, str]

    async def type(self, *words: str, stdin: str | None = None) -> tuple[int, str, str]:
        """Run a verb; what it printed and what it said beside it."""
        invoke = partial(CliRunner().invoke, env=self.environment, input=stdin)
        done = await asyncio.to_thread(invoke, verb_application(words[0]), words)
        if isinstance(done.exception, Exception):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr

    async def read(self, *words: str, stdin: str | None = None) -> Any:
        """Run a verb for its JSON."""
        code, out, err = await self.type(*words, "--json", stdin=stdin)
        assert code == 0, err
        return json.loads(out)

    async def shown(self, *words: str, stdin: str | None = None) -> str:
        """Run a verb for what people see."""
        code, out, err = await self.type(*words, stdin=stdin)
        assert code == 0, err
        return out

    async def refused(self, *words: str, stdin: str | None = None) -> str:
        """Run a verb for the reason it is refused."""
        with pytest.raises((CommandError, SettingsError)) as error:
            await self.type(*words, stdin=stdin)
        return str(error.value)


@pytest.fixture
async def terminal(nats_client: Client, nats_url: str, tmp_path: Path) -> AsyncIterator[Terminal]:
    async with desk(nats_client, patience_s=5) as front:
        port = natsserver.free_port()
        # It answers /ping, as a server does.
        url = f"http://127.0.0.1:{port}"
        servers = [ServerSection(server_id=ServerId("server-1"), url=url, region="here")]
        config = uvicorn.Config(
            operator_app(front.doors), port=port, log_config=None, lifespan="off"
        )
        gateway = uvicorn.Server(config)
        async with house(nats_url, tmp_path / "home", servers):
            serving = asyncio.create_task(gateway.serve())
            await asyncio.to_thread(natsserver.wait_for_port, f"http://127.0.0.1:{port}", 10)
            await eventually(partial(has_figures, front))
            yield Terminal(
                {
                    "TIDEGATE_API": f"http://127.0.0.1:{port}",
                    "TIDEGATE_ADMIN_KEY": front.admin,
                    "TIDEGATE_HOME": str(tmp_path / "home"),
                }
            )
            gateway.should_exit = True
            await serving


async def test_a_key_is_issued_listed_rotated_and_revoked(terminal: Terminal) -> None:
    words = ["keys", "issue", "laptop", "--requests-per-minute", "60", "--model", "jimeng-*"]
    code, out, told = await terminal.type(*words)
    text = out.strip()
    listed = await terminal.read("keys", "list")
    key = next(key for key in listed["data"] if key["name"] == "laptop")

    assert code == 0
    assert text.startswith("sk-")
    assert key["id"] in told
    assert (key["requests_per_minute"], key["models"]) == (60, ["jimeng-*"])
    assert text not in await terminal.shown("keys", "list")

    changed = await terminal.read("keys", "change", key["id"], "--weight", "3", "--model", "")
    assert {**key, **changed} == {**key, "weight": 3, "models": []}
    code, _, told = await terminal.type("keys", "change", key["id"])
    assert (code, "expected something to change" in told) == (2, True)

    rotated = await terminal.read("keys", "rotate", key["id"])
    assert rotated["key"] not in {text, ""}
    again = await terminal.read("keys", "rotate", key["id"], "--grace", "1h")
    admin = terminal.environment["TIDEGATE_ADMIN_KEY"]
    terminal.environment["TIDEGATE_ADMIN_KEY"] = rotated["key"]
    # It still opens: what is refused is a client's key, not an unknown one.
    assert "expected an admin key, got a client key" in await terminal.refused("keys", "list")
    terminal.environment["TIDEGATE_ADMIN_KEY"] = admin
    assert again["key"] != rotated["key"]
    code, _, told = await terminal.type("keys", "rotate", key["id"], "--grace", "long")
    assert (code, "--grace" in told) == (2, True)
    assert "grace_s" in await terminal.refused("keys", "rotate", key["id"], "--grace", "8d")
    assert f"{key['id']} (laptop) is revoked" in await terminal.shown("keys", "revoke", key["id"])
    assert (await terminal.read("keys", "revoke", key["id"]))["revoked"] is True


async def test_what_the_gateway_refuses_is_told_in_its_words(terminal: Terminal) -> None:
    assert "there is no key" in await terminal.refused("keys", "revoke", "key_none")
    assert "there is no session 'x y'" in await terminal.refused("sessions", "drain", "x y")
    assert "expected an id, got '../keys'" in await terminal.refused(
        "sessions", "remove", "../keys"
    )


async def test_a_session_is_added_drained_cooled_cleared_and_removed(terminal: Terminal) -> None:
    lines = '# two\n\nus-secret-one\n{"credential": "secret-two", "quota_timezone": "Asia/Tokyo"}\n'
    added = await terminal.read("sessions", "add", "-", "--region", "hk", stdin=lines)
    one, two = added["data"]
    again = await terminal.shown("sessions", "add", "-", "--region", "hk", stdin=lines)
    listed = {
        session["session_id"]: session for session in (await listed_sessions(terminal))["data"]
    }

    assert added["changed"] == [one, two]
    assert again == "nothing new\n"
    assert (listed[one]["region"], listed[two]["region"]) == ("us", "hk")
    drained = await terminal.read("sessions", "drain", one, "--reason", "why")
    assert (drained["status"], drained["reason"]) == ("draining", "why")
    assert "active" in await terminal.shown("sessions", "clear", one)
    cooled = await terminal.read("sessions", "cool", one, "--for", "10m")
    assert cooled["status"] == "cooling"
    assert 500 < cooled["cooling_s"] <= 600
    cleared = await terminal.read("sessions", "clear", one)
    assert cleared["status"] == "active"
    assert await terminal.shown("sessions", "remove", one) == f"{one} is retired\n"
    assert await terminal.shown("sessions", "remove", one) == f"{one} was retired\n"
    assert (await terminal.read("sessions", "remove", two))["changed"] == [two]
    assert "sessions, " in await terminal.shown("sessions", "list")


async def test_credential_is_sent_as_it_was_read(terminal: Terminal) -> None:
    lines = "us-hk-odd\nus-us-odd\nhttp://h:1@us-proxied\nplain\n"

    added = await terminal.read("sessions", "add", "-", stdin=lines)

    assert added["refused"] == []
    assert added["data"] == [
        session_identity("identity", *pair)
        for pair in (
            ("us", "hk-odd"),
            ("us", "us-odd"),
            ("us", "proxied"),
            ("", "plain"),
        )
    ]


async def test_account_behind_another_proxy_is_the_session_it_was(terminal: Terminal) -> None:
    before = await terminal.read("sessions", "add", "-", stdin="http://u:old@10.0.0.1:1080@again\n")

    after = await terminal.read("sessions", "add", "-", stdin="http://u:new@10.0.0.1:1080@again\n")
    alone = await terminal.refused("sessions", "add", "-", stdin="us-http://10.0.0.1:1080@\n")

    assert (after["data"], after["added"]) == (before["data"], [])
    assert "expected an account behind the proxy" in alone


async def test_import_of_which_nothing_is_good_names_every_line(
    terminal: Terminal, tmp_path: Path
) -> None:
    """They are more than the message of an error has room for, and the gateway alone knows why."""
    file = tmp_path / "new.jsonl"
    line = '{"credential": "of-NUMBER", "limits": {"nothing": 3}}'
    file.write_text("\n".join(line.replace("NUMBER", str(at)) for at in range(8)))

    report = await terminal.refused("sessions", "import", str(file))

    told = [line.partition(" (")[0] for line in report.splitlines()[1:]]
    assert told == [f"  line {at}: limits: expected service types" for at in range(1, 9)]


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
async def test_trial_of_an_import_knows_the_service_types(
    terminal: Terminal, tmp_path: Path, ending: str
) -> None:
    file = tmp_path / f"new.{ending}"
    if ending == "csv":
        file.write_text("credential,limit_image,limit_nothing\none,3,\ntwo,3,1\n")
        line = 3
    else:
        limits = [f'{{"credential": "of-{name}", "limits": {{"{name}": 3}}}}' for name in TYPES]
        file.write_text("\n".join(limits))
        line = 2
    tried = await terminal.refused("sessions", "import", str(file), "--dry-run")
    added = await terminal.refused("sessions", "import", str(file))

    assert f"line {line}: limits: expected service types (image, video, avatar, music)" in tried
    assert added == tried


async def test_trial_without_a_gateway_goes_by_the_configuration(
    terminal: Terminal, tmp_path: Path
) -> None:
    config, file = tmp_path / "tidegate.toml", tmp_path / "new.jsonl"
    config.write_text("[services.music]\ndaily_limit = 1\n")
    file.write_text('{"credential": "one", "limits": {"music": 3}}\n')
    terminal.environment |= {
        "TIDEGATE_API": f"http://127.0.0.1:{natsserver.free_port()}",
        "TIDEGATE_CONFIG": str(config),
    }

    code, out, err = await terminal.type("sessions", "import", str(file), "--dry-run")

    assert (code, out) == (0, "1 of 1 sessions can be imported\n")
    assert "limits were held against the configuration found here" in err


async def listed_sessions(terminal: Terminal) -> Any:
    return await terminal.read("sessions", "list", "--limit", "100")


async def test_a_credential_is_in_no_message(terminal: Terminal, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text('{"credential": "hush", \n')
    message = await terminal.refused("sessions", "add", str(wrong))

    assert "wrong.txt: of no use:\n  line 1: expected a credential, or a JSON object" in message
    assert "hush" not in message
    assert "hush" not in await terminal.refused("sessions", "add", "-", stdin="hush hush\n")


async def test_servers_are_listed_with_their_health(terminal: Terminal) -> None:
    async def listed() -> Any:
        found = await terminal.read("servers", "list")
        return found if found["data"] else None

    found = await eventually(listed)

    assert [view["server"]["server_id"] for view in found["data"]] == ["server-1"]
    shown = await terminal.shown("servers", "list")
    assert "server-1" in shown
    assert "strategy capability_based" in shown


def test_a_server_is_shown_with_its_state_and_no_rate_that_nothing_made() -> None:
    view = {
        "server": {"server_id": "a", "url": "http://a", "level": 2, "serves": ["us"]},
        "health": "up",
        "state": "ejected",
        "words": "ejected 2 min ago: failed",
        "attempts": 0,
    }
    reads = {column.name: column.read for column in servertexts.COLUMNS if column.read}

    shown = {name: read(view) for name, read in reads.items()}

    assert (shown["state"], shown["why"]) == ("ejected", "ejected 2 min ago: failed")
    assert (shown["success"], shown["level"], shown["serves"]) == (None, 2, ["us"])
    assert reads["success"]({**view, "attempts": 4, "success_rate": 0.5}) == 0.5
    assert servertexts.trouble_text([view]) == "\na: ejected 2 min ago: failed"


async def test_an_address_that_ends_in_v1_is_added_and_said_to_be_hardly_right(
    terminal: Terminal,
) -> None:
    code, _, said = await terminal.type("servers", "add", "server-5", "http://127.0.0.1:9/v1")

    assert code == 0
    assert "calls would go to http://127.0.0.1:9/v1/v1/images/generations" in " ".join(said.split())


async def test_a_server_is_added_changed_and_removed(terminal: Terminal) -> None:
    words = ["servers", "add", "server-5", "http://127.0.0.1:9", "--capability", "image"]
    added = await terminal.read(*words, "--weight", "3", "--level", "2")
    changed = await terminal.read("servers", "change", "server-5", "--max-sessions", "7")
    serving = ["servers", "change", "server-5", "--serves"]
    bound = await terminal.read(*serving, "us", "--serves", "hk")
    free = await terminal.read(*serving, "any")
    every = await terminal.read("servers", "change", "server-5", "--capability", "any")
    shown = await terminal.shown("servers", "change", "server-5", "--idempotent", "--region", "us")
    removed = await terminal.shown("servers", "remove", "server-5")

    assert (added["server"]["weight"], added["server"]["capabilities"]) == (3, ["image"])
    assert (changed["server"]["max_sessions"], changed["server"]["weight"]) == (7, 3)
    assert (added["server"]["level"], changed["server"]["level"]) == (2, 2)
    assert (bound["server"]["serves"], free["server"].get("serves", [])) == (["us", "hk"], [])
    assert every["server"].get("capabilities", []) == []
    assert "server-5" in shown
    assert removed == "server-5 is removed; 0 exchanges go on\n"
    assert "there is no server 'server-5'" in await terminal.refused(
        "servers", "remove", "server-5"
    )
    assert "there is a server 'server-1' already" in await terminal.refused(
        "servers", "add", "server-1", "http://127.0.0.1:9"
    )
    code, _, told = await terminal.type("servers", "change", "server-1")
    assert code == 2
    assert "expected something to change" in told


async def test_the_strategy_is_changed_and_shown(terminal: Terminal) -> None:
    words = ["servers", "strategy", "least_connections", "--reason", "trying"]
    shown = await terminal.shown(*words)
    found = await terminal.read(*words)

    assert shown.startswith("strategy least_connections, at sequence ")
    assert found["strategy"] == (await terminal.read("servers", "list"))["strategy"]
    assert "capability_based" in await terminal.refused("servers", "strategy", "fastest")


async def test_statistics_are_written_into_a_file_or_printed(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "figures.xlsx"
    words = ["export", "--measures", "leases,attempts", "--by", "service"]
    printed = await terminal.shown(*words, "--filter", "service:image", "--order", "-leases")
    as_json = await terminal.read("export", "--measures", "leases", "--by", "")
    beside = await terminal.shown("export", "--measures", "leases", "--by", "", "--before")
    every = await terminal.read("export", "--words")
    named = ["export", "--query", "day_stats", "--parameter", "date=2026-01-01"]
    await terminal.shown(*words, "--format", "xlsx", "-o", str(file))
    refused = tmp_path / "refused.csv"

    assert printed == "service,leases,attempts\n"
    assert as_json == [{"leases": 0}]
    assert beside == "leases,leases_before\n0,0\n"
    assert {"name": "leases", "meaning": "leases granted"} in every["measures"]
    assert "leases granted" in await terminal.shown("export", "--words")
    assert (await terminal.shown(*named)).startswith("date,active_sessions,service_type")
    assert file.read_bytes().startswith(b"PK")
    assert "there is no measure 'tea'" in await terminal.refused(
        "export", "--measures", "tea", "-o", str(refused)
    )
    assert not refused.exists()
    for there in (file, tmp_path):
        assert f"-o: {there} is there" in await terminal.refused(*words, "-o", str(there))
    assert file.read_bytes().startswith(b"PK")
    code, _, told = await terminal.type(*named[:3], "--parameter", "date")
    assert code == 2
    assert "expected name=value" in told


@pytest.mark.parametrize("columns", [80, 40])
async def test_no_list_breaks_an_id_on_a_narrow_terminal(terminal: Terminal, columns: int) -> None:
    await well_staffed(terminal)
    terminal.environment |= {"COLUMNS": str(columns), "FORCE_COLOR": "1"}
    listed = {
        "sessions": [one["session_id"] for one in (await listed_sessions(terminal))["data"]],
        "keys": [one["id"] for one in (await terminal.read("keys", "list"))["data"]],
        "servers": ["server-1"],
    }

    for verb, ids in listed.items():
        told = (await terminal.shown(verb, "list")).partition("\n\n")[0].splitlines()
        assert [word for line in told for word in line.split() if word in ids] == ids
        assert max(map(len, told[1:])) <= columns
    asked = ["sql", "select repeat('x', 60) as id, 'in two words' as told, 'y' as last"]
    assert "x" * 60 in await terminal.shown(*asked)


async def test_a_report_is_printed(terminal: Terminal) -> None:
    told = await terminal.shown("report", "daily")
    page = await terminal.shown("report", "weekly", "--date", "2026-01-31", "--format", "html")
    found = await terminal.read("report", "weekly", "--date", "2026-01-31")

    assert told.startswith("# Tidegate daily report: ")
    assert page.startswith("<!doctype html>")
    assert (found["since"], found["last"]) == ("2026-01-25", "2026-01-31")
    assert "date: expected a date" in await terminal.refused("report", "daily", "--date", "x")


async def test_leases_are_listed_and_an_unknown_lease_is_not_reconciled(
    terminal: Terminal,
) -> None:
    found = await terminal.read("leases", "list", "--state", "unknown")

    assert (found["data"], found["state"]) == ([], "unknown")
    assert "no open leases" in await terminal.shown("leases", "list")
    words = ["leases", "reconcile", "r1.1", "--units", "0", "--reason", "nobody was billed"]
    assert "there is no lease r1.1" in await terminal.refused(*words)


async def test_sql_is_answered_and_refused(terminal: Terminal) -> None:
    found = await terminal.read("sql", "select 1 as one, null as none, [1, 2] as list")
    shown = await terminal.shown("sql", "-", stdin="select 42 as answer")
    _, _, told = await terminal.type("sql", "from range(5)", "--rows-max", "2")

    assert (found["columns"], found["rows"]) == (["one", "none", "list"], [[1, None, [1, 2]]])
    assert shown.split() == ["answer", "42"]
    assert "only the first 2 rows are shown" in told
    assert await terminal.refused("sql", "drop table x")


async def test_a_wrong_key_is_told_so(terminal: Terminal) -> None:
    terminal.environment["TIDEGATE_ADMIN_KEY"] = "sk-wrong-wrong-wrong"

    assert "wrong or revoked" in await terminal.refused("keys", "list")


async def test_an_address_that_is_no_gateway_is_told_so(terminal: Terminal) -> None:
    async with good_server() as url:
        terminal.environment["TIDEGATE_API"] = url

        assert "is no Tidegate gateway" in await terminal.refused("keys", "list")
    assert "start one with `tidegate up`" in await terminal.refused("keys", "list")


async def test_stats_are_shown_day_by_day(terminal: Terminal) -> None:
    found = await terminal.read("stats", "--days", "2")

    assert found["totalDays"] == len(found["data"])
    assert await terminal.shown("stats") == "no units were used\n"


async def test_sessions_come_from_a_file_and_go_to_one_without_their_credentials(
    terminal: Terminal, tmp_path: Path
) -> None:
    """Two sessions are tried, imported and exported again; neither way has their credentials."""
    source = tmp_path / "sessions.csv"
    source.write_text("credential,region,timezone,limit_image\nhush-1,us,Asia/Tokyo,3\nhush-2,,,\n")
    target = tmp_path / "out.csv"

    before = await well_staffed(terminal)
    tried = await terminal.shown("sessions", "import", str(source), "--dry-run")
    tried_only = await listed_sessions(terminal)
    imported = await terminal.read("sessions", "import", str(source))
    again = await terminal.shown("sessions", "import", str(source))
    exported = await terminal.read("sessions", "export", str(target))
    lines = [
        json.loads(line) for line in (await terminal.shown("sessions", "export", "-")).splitlines()
    ]
    rows = target.read_text().splitlines()

    assert (tried, tried_only["total"]) == ("2 of 2 sessions can be imported\n", before)
    assert (imported["read"], imported["changed"]) == (2, imported["data"])
    assert again == "nothing new\n"
    assert exported == {
        "file": str(target),
        "sessions": before + 2,
        "total": before + 2,
    }
    assert [line["session_id"] for line in lines] == [row.split(",")[0] for row in rows[1:]]
    one = next(line for line in lines if line["session_id"] == imported["data"][0])
    assert (one["region"], one["limits"]["image"]) == ("us", 3)
    assert "limit_image" in rows[0]
    again = await terminal.refused("sessions", "export", str(target))
    assert again == f"FILE: {target} is there already, and is not overwritten"
    assert "hush" not in target.read_text() + json.dumps(lines)


async def test_what_the_gateway_refuses_of_a_file_is_named_by_its_line(terminal: Terminal) -> None:
    before = await well_staffed(terminal)
    bad = '{"credential": "hush-2", "limits": {"sculpture": 1}}'
    lines = f'# first\n{{"credential": "hush-1"}}\n\n{bad}\n'

    told = await terminal.refused("sessions", "import", "-", stdin=lines)

    assert "-: of no use:\n  line 4: limits: expected service types" in told
    assert "hush" not in told
    assert (await listed_sessions(terminal))["total"] == before + 1


async def well_staffed(terminal: Terminal) -> int:
    """Wait until the provisioner has made its sessions; how many there are."""

    async def enough() -> int:
        found = await listed_sessions(terminal)
        return found["total"] if found["total"] >= found["min_size"] > 0 else 0

    return await eventually(enough)
