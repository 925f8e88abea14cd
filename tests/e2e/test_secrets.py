"""Planted credentials and keys are looked for wherever bytes come to rest or leave: nowhere found.

Real traffic first: successes, every way in which a backend refuses (repeating the credential it
was sent), wrong keys, bad input, keys issued, rotated and revoked. Then everything is searched:
what all processes say, every stored message, the database, metrics, answers, arguments and
variables of processes, what the verbs print. Left out: the key files of the home, the one answer
that shows a new key, and the ledgers of the demo servers, which are somebody else's.
"""

import base64
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import duckdb
import httpx
import nats
import pytest

from runtime.eventlog import EventLog
from runtime.nats import natsserver
from tests.e2e.search import Search
from tests.integration.tidegate.up import Up
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up"), pytest.mark.timeout(240)]
BODY = {"model": "jimeng-4.0", "prompt": "a gate"}
FAULTS: list[dict[str, Any]] = [
    {"kind": "code", "code": -2000},
    {"kind": "code", "code": 4001},
    {"kind": "code", "code": 31337},
    {"kind": "status", "status": 403},
    {"kind": "status", "status": 500},
    {"kind": "cut_before"},
    {"kind": "cut_body"},
    {"kind": "garbage"},
    {"kind": "redirect", "location": "/elsewhere"},
    {"kind": "rate_limited", "retry_after_s": 1},
    {"kind": "code", "code": 4013},
    {"kind": "code", "code": -2009},
    {"kind": "unauthorized"},
]
READS = (
    "/api/sessions",
    "/api/keys",
    "/api/servers",
    "/api/load-balancer",
    "/api/leases?state=unknown",
    "/api/stats/summary",
    "/api/stats/daily?start=2026-01-01&end=2026-01-02",
    "/health",
    "/readyz",
    "/metrics",
    "/schema/openapi.json",
    "/v1/models",
)
VERBS = (
    ("config", "show"),
    ("config", "show", "--json"),
    ("sessions", "list", "--json"),
    ("keys", "list", "--json"),
    ("servers", "list", "--json"),
    ("audit", "--json"),
    ("secrets", "show"),
    ("secrets", "show", "--json"),
)


def planted(name: str) -> str:
    """A credential nobody else has; letters and digits, so that no encoding changes it."""
    return f"planted{name}{secrets.token_hex(12)}"


def configured_folder(tmp_path: Path, in_file: list[str]) -> Path:
    """A pool whose sessions come from a file."""
    credentials = tmp_path / "credentials.txt"
    lines = [in_file[0], f"us-{in_file[1]}", json.dumps({"credential": in_file[2]})]
    credentials.write_text("\n".join(lines) + "\n")
    config = tmp_path / "tidegate.toml"
    config.write_text(
        '[pool]\nmin_size = 1\n[pool.provisioner]\nkind = "file"\n'
        f'path = "{credentials}"\n[balancer]\nprobe_interval = "1s"\n'
    )
    return config


def operator_client(up: Up) -> httpx.Client:
    key = (up.home / "operator.key").read_text().strip()
    return httpx.Client(
        base_url=f"http://127.0.0.1:{up.port}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )


def keys_come_and_go(search: Search, client: httpx.Client) -> None:
    """Issue, use, rotate and revoke a key; the texts of both lives are secrets from then on."""
    issued = client.post("/api/keys", json={"name": "guest"}).json()
    search.add("the issued key", issued["key"])
    ask_image(search, client, issued["key"])
    rotated = client.post(f"/api/keys/{issued['id']}/rotate").json()
    search.add("the rotated key", rotated["key"])
    for key in (issued["key"], rotated["key"]):
        ask_image(search, client, key)
    search.answer("revoke", client.delete(f"/api/keys/{issued['id']}"))
    ask_image(search, client, rotated["key"])


def ask_image(search: Search, client: httpx.Client, key: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", "Cookie": f"sessionid={key}"}
    given = {"json": BODY, **more}
    return search.answer("image", client.post("/v1/images/generations", headers=headers, **given))


def bad_input(search: Search, client: httpx.Client, key: str, credential: str) -> None:
    """Whatever is wrong, the refusal does not repeat what should not be seen."""
    search.answer(
        "no key", client.post("/v1/images/generations", json=BODY, headers={"Authorization": ""})
    )
    for wrong in (credential, f"Basic {credential}", "sk-wrong"):
        assert ask_image(search, client, wrong).status_code == 401
    ask_image(search, client, key, content=b"{", json=None)
    for session in (
        {"credential": f"{credential} with a blank"},
        {"credential": credential, "region": "mars"},
        {"credential": credential, "timezone": "Mars/Base"},
        {"credential": credential, "limits": {"smell": 1}},
        {"credential": [credential]},
        {"credential": credential, "extra": 1},
        [credential],
        credential,
    ):
        refused = search.answer("bad session", client.post("/api/sessions", json=session))
        assert refused.status_code == 400, refused.text
    text = f'{{"credential": "{credential}"'
    search.answer("bad json", client.post("/api/sessions", content=text))


def backends_fail(search: Search, client: httpx.Client, up: Up, key: str) -> None:
    """Let every server fail in every way, repeating the credential where it can."""
    servers = json.loads((up.home / "demo-servers.json").read_text())
    for fault in FAULTS:
        for server in servers:
            set_ = httpx.post(f"{server['url']}/demo/faults", json=[{**fault, "echo": True}])
            assert set_.status_code == 200, set_.text
        assert ask_image(search, client, key).status_code != 200
        look_at_stream(search, client, key)
    for server in servers:
        httpx.delete(f"{server['url']}/demo/faults")


def look_at_stream(search: Search, client: httpx.Client, key: str) -> None:
    """Ask for a stream, and look at all of it that comes."""
    chat = {**BODY, "stream": True, "messages": [{"role": "user", "content": "a gate"}]}
    headers = {"Authorization": f"Bearer {key}"}
    came = b""
    with (
        suppress(httpx.RemoteProtocolError),
        client.stream("POST", "/v1/chat/completions", json=chat, headers=headers) as answer,
    ):
        came = str(answer.headers).encode()
        for piece in answer.iter_raw():
            came += piece
    search.look("answer chat", came)


def processes(up: Up) -> Iterator[tuple[str, dict[str, Any]]]:
    told = json.loads((up.home / "run.json").read_text())
    for child in told["children"]:
        yield child["name"], child


def look_at_processes(search: Search, up: Up) -> None:
    """Metrics, and what anybody on the machine sees of a process."""
    for name, child in processes(up):
        for what in ("cmdline", "environ"):
            search.look(f"process {name} {what}", Path(f"/proc/{child['pid']}/{what}").read_bytes())
        if child["health_port"] and not name.startswith("demo-"):
            for path in ("/metrics", "/readyz"):
                url = f"http://127.0.0.1:{child['health_port']}{path}"
                search.answer(f"{name} {path}", httpx.get(url))


def look_at_home(search: Search, up: Up) -> None:
    """Every byte of the home but the key files."""
    kept = {"client.key", "operator.key"}
    for path in sorted(up.home.rglob("*")):
        inside = path.relative_to(up.home)
        if not path.is_file() or inside.parts[0] == "secrets" or path.name in kept:
            continue
        if path.suffix != ".ledger":
            search.look(f"file {inside}", path.read_bytes())


async def look_at_streams(search: Search, store: Path, folder: Path) -> dict[str, int]:
    """Look at every message of every stream, on a copy of the store without accounts."""
    port = natsserver.free_port()
    config = folder / "copy.conf"
    config.write_text(natsserver.configuration_text(store, port, None))
    process = natsserver.start_server(config, folder / "copy.log", port)
    counts: dict[str, int] = {}
    try:
        client = await nats.connect(f"nats://127.0.0.1:{port}")
        for stream in ("EVT", "DLQ", "KV_credentials"):
            log = EventLog(client, stream)
            upto = (await log.stream_state()).last_sequence
            counts[stream] = upto
            async for batch in log.read_range(">", 0, upto):
                for one in batch:
                    search.look(f"stream {stream} {one.subject} {one.sequence}", one.body)
                    search.look(f"stream {stream} subject", one.subject)
        await client.close()
    finally:
        process.terminate()
        process.wait(20)
    return counts


def look_at_tables(search: Search, file: Path) -> int:
    """Every row of every table: the file itself may be compressed."""
    rows = 0
    with duckdb.connect(str(file), read_only=True) as database:
        tables = database.execute(
            "select table_schema, table_name from information_schema.tables"
        ).fetchall()
        for schema, table in tables:
            for row in database.execute(f'from "{schema}"."{table}"').fetchall():
                search.look(f"table {table}", repr(row))
                rows += 1
    return rows


def master_key_changes(search: Search, up: Up) -> None:
    """Rotate the master key; the new one is a secret like the old one."""
    rotated = up.run("secrets", "rotate", TIDEGATE_API=f"http://127.0.0.1:{up.port}")
    assert rotated.returncode == 0, rotated.stderr
    search.look("verb rotate", rotated.stdout + rotated.stderr)
    key = (up.home / "secrets" / "master.key").read_text()
    search.add("the rotated master key", key, hashes=True)


def test_secrets_are_nowhere_but_in_their_files(tmp_path: Path) -> None:
    """Known secrets go in, the whole API is used, and all that it left is searched for them."""
    search = Search()
    in_file = [planted("file") for _ in range(3)]
    by_api = [planted("api") for _ in range(3)]
    stray = planted("stray")
    for number, credential in enumerate([*in_file, *by_api, stray]):
        search.add(f"credential {number}", credential, hashes=True)
    config = configured_folder(tmp_path, in_file)
    port = natsserver.free_port()
    up = Up(tmp_path / "home", port, TIDEGATE_CONFIG=str(config)).start()
    try:
        for path in (*up.home.glob("*.key"), *(up.home / "secrets").glob("*.[kn][ea][yt]*")):
            if path.suffix in {".key", ".nats"}:
                search.add(path.name, path.read_text().strip(), hashes=path.parent != up.home)
        key = (up.home / "client.key").read_text().strip()
        with operator_client(up) as client:
            sessions = [{"credential": by_api[0]}, {"credential": by_api[1], "region": "hk"}]
            search.answer("add", client.post("/api/sessions", json=sessions))
            search.answer("again", client.post("/api/sessions", json={"credential": by_api[2]}))
            wait_for(lambda: len(client.get("/api/sessions").json()["data"]) == 6)
            assert [ask_image(search, client, key).status_code for _ in range(12)] == [200] * 12
            keys_come_and_go(search, client)
            bad_input(search, client, key, stray)
            backends_fail(search, client, up, key)
            for path in READS:
                answer = search.answer(path, client.get(path))
                assert answer.status_code == 200, (path, answer.text)
            query = {"query": "select * from attempts"}
            search.answer("sql", client.post("/api/sql", json=query))
            master_key_changes(search, up)
            query = {"query": f"select '{stray}"}
            assert client.post("/api/sql", json=query).status_code == 400
        for verb in VERBS:
            api = {"TIDEGATE_API": f"http://127.0.0.1:{port}"}
            done = up.run(*verb, **api)
            assert done.returncode == 0, (verb, done.stderr)
            search.look(f"verb {verb}", done.stdout + done.stderr)
        look_at_processes(search, up)
        look_at_home(search, up)
        database = (up.home / "analytics.duckdb").stat().st_size
    finally:
        up.stop()
    look_at_home(search, up)
    search.look("log up", up.said())
    rows = look_at_tables(search, up.home / "analytics.duckdb")
    copy = shutil.copytree(up.home / "nats", tmp_path / "copy")
    counts = anyio.run(look_at_streams, search, copy, tmp_path)

    assert search.found == []
    assert counts["KV_credentials"] == 6 + 6, "each was sealed anew"
    assert counts["EVT"] > 20
    assert min(rows, database) > 20
    assert {"answer", "verb", "process", "file", "log", "table", "stream"} <= set(search.places)


def test_search_finds_what_it_is_meant_to_find() -> None:
    search = Search()
    secret = planted("x")
    search.add("it", secret, hashes=True)
    for text in (
        b"a" + secret.encode() + b"b",
        base64.b64encode(b"ab" + secret.encode() + b"c"),
        base64.b64encode(secret.encode()),
        base64.urlsafe_b64encode(b"a" + secret.encode()),
        secret.encode().hex().encode(),
        hashlib.sha256(secret.encode()).hexdigest().encode(),
        hashlib.sha256(secret.encode()).digest(),
    ):
        search.found.clear()
        search.look("here", text)
        assert search.found, text
    search.found.clear()
    search.look("here", planted("x"))
    assert search.found == []
