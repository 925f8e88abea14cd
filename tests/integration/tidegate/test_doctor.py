"""`tidegate doctor` over a NATS whose log, users or keys are not as they must be."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.base import KeyId, LeaderElected, SessionId
from contracts.events import AnyEvent
from contracts.gateway import KeyRevoked
from contracts.pool import AddSession, AddSessions, ChangeSession, PoolAdmin, SessionStatus
from contracts.subjects import EVT_KEYS, USERS, evt_pool, pool_admin
from runtime.clock import system_clock
from runtime.environment import read_environment
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from runtime.nats import natsserver, streams
from runtime.nats.connection import connect_as
from runtime.process.findings import CURES
from runtime.secrets import Sealer, key_hash, session_identity
from tests.e2e.stack import Stack
from tests.unit.pool.builders import LEADER, NOON, policy_changed

ALONE = {"pool_no_leader", "balancer_no_leader", "analytics_absent", "gateway_absent"}
"""What is wrong with a NATS that has no services yet."""


class Patient(Stack):
    """A home and a NATS, and what the doctor says of them."""

    def wrong(self) -> dict[str, list[str]]:
        """The messages of what is wrong, by code; each has its cure."""
        done = self.tidegate("doctor", "--json")
        assert done.returncode in {0, 1}, done.stderr
        self.found = json.loads(done.stdout)["findings"]
        wrong = [one for one in self.found if one["state"] == "wrong"]
        assert [one for one in wrong if one["cure"] != CURES[one["code"]]] == []
        assert done.returncode == bool(wrong)
        found: dict[str, list[str]] = {}
        for one in wrong:
            found.setdefault(one["code"], []).append(one["message"])
        return found

    def beside(self) -> dict[str, list[str]]:
        """What is wrong beside the services that are not there."""
        return {code: told for code, told in self.wrong().items() if code not in ALONE}

    def state(self, area: str, word: str) -> str:
        return next(
            one["state"] for one in self.found if one["area"] == area and word in one["message"]
        )

    def start_bare(self) -> None:
        """Start NATS without making the streams."""
        self._nats_started = True
        self.start_nats()

    def write(
        self, user: str, subject: str, *commits: Sequence[AnyEvent], time: Any = NOON
    ) -> None:
        async def written() -> None:
            client = await connect_as(read_environment(self.environment), user)
            writer = SubjectWriter(EventLog(client), subject, LEADER)
            for stored in await writer.stored_behind():
                writer.note_stored(stored)
            for events in commits:
                await writer.append_events(events, writer.next_instant(time))
            await client.close()

        asyncio.run(written())

    def administer(self, command: PoolAdmin) -> None:
        told = self.ask("gateway", pool_admin(), msgspec.json.encode(command))
        assert told["type"] == "done", told

    def ask(self, user: str, subject: str, *bodies: bytes) -> Any:
        """Ask once for each body; the last answer."""

        async def asked() -> Any:
            client = await connect_as(read_environment(self.environment), user)
            for body in bodies:
                found = await client.request(subject, body, timeout=10)
            await client.close()
            return json.loads(found.data)

        return asyncio.run(asked())


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    made = Patient(tmp_path / "home")
    made.home.chmod(0o700)
    yield made
    made.close()


def test_a_migrated_nats_lacks_services_alone(patient: Patient) -> None:
    patient.start_nats()

    assert set(patient.wrong()) == ALONE
    assert patient.state("permissions", "gateway") == "fine"
    assert patient.state("streams", "EVT") == "fine"
    assert patient.state("keys", "operator.key: the log knows it") == "fine"
    assert patient.state("clock", "NATS") == "fine"


def test_when_everything_is_down_it_still_says_what_to_do(patient: Patient) -> None:
    found = patient.wrong()

    assert set(found) == {"nats_unreachable", "gateway_absent"}
    assert "no embedded server runs in this home" in found["nats_unreachable"][0]
    assert patient.state("log", "pool, balancer") == "not checked here"


def test_a_home_that_is_not_there_is_named(patient: Patient, tmp_path: Path) -> None:
    patient.environment["TIDEGATE_HOME"] = str(tmp_path / "nowhere")
    del patient.environment["TIDEGATE_CLOCK_OFFSET_FILE"]

    assert patient.wrong()["home_missing"] == [f"{tmp_path / 'nowhere'} is not there"]


def test_a_wrong_configuration_is_told_in_its_own_words(patient: Patient) -> None:
    patient.configure("[pool]\nmin_sise = 3\n")

    assert "pool.min_sise" in patient.wrong()["configuration_wrong"][0]


def test_a_container_with_one_secret_alone_is_told_what_was_not_checked(
    patient: Patient, tmp_path: Path
) -> None:
    patient.start_nats()
    secret = patient.home / "secrets" / "auditor.nats"
    away = tmp_path / "container"
    away.mkdir(mode=0o700)
    del patient.environment["TIDEGATE_CLOCK_OFFSET_FILE"]
    patient.environment |= {
        "TIDEGATE_HOME": str(away),
        "TIDEGATE_NATS_URL": f"nats://127.0.0.1:{patient.nats_port}",
        "TIDEGATE_AUDITOR_NATS_PASSWORD_FILE": str(secret),
    }

    assert patient.beside() == {}
    assert patient.state("permissions", "auditor") == "fine"
    assert patient.state("permissions", "pool") == "not checked here"
    assert patient.state("keys", "secrets/master.key") == "not checked here"


def test_a_disk_without_room_for_the_copy_that_sql_is_asked_of_is_named(patient: Patient) -> None:
    with (patient.home / "analytics.duckdb").open("wb") as file:
        file.truncate(4 * 10**12)

    (message,) = patient.wrong()["sql_disk_small"]
    (patient.home / "analytics.duckdb").write_bytes(b"small")

    assert "a copy of analytics.duckdb, for which 4000.26 GB must be free" in message
    assert "sql_disk_small" not in patient.wrong()
    assert patient.state("disk", "room for a copy of analytics.duckdb") == "fine"


def test_missing_streams_are_named(patient: Patient) -> None:
    patient.start_bare()

    assert patient.beside() == {
        "stream_missing": [
            "EVT: stream not found",
            "DLQ: stream not found",
            "KV_credentials: stream not found",
            "KV_snapshots: stream not found",
            "KV_standing: stream not found",
        ]
    }


def test_a_stream_that_lets_messages_be_deleted_is_named(patient: Patient) -> None:
    patient.start_bare()
    config = next(one for one in streams.stream_configurations(100_000_000) if one["name"] == "EVT")
    config |= {"deny_delete": False, "discard": "old"}
    patient.ask("migrate", "$JS.API.STREAM.CREATE.EVT", json.dumps(config).encode())
    patient.tidegate("migrate")

    assert patient.beside() == {
        "stream_changed": [
            "EVT: deny_delete is False instead of True, discard is 'old' instead of 'new'"
        ]
    }


@pytest.mark.parametrize(
    ("megabytes", "code", "told"),
    [(55, "log_nearly_full", "at 90 % no lease"), (60, "log_full", "leases are refused")],
)
def test_a_log_that_fills_is_named_before_and_when_it_is_full(
    patient: Patient, megabytes: int, code: str, told: str
) -> None:
    patient.configure("[log]\nmax_bytes = '64MB'\n")
    patient.start_nats()
    large = policy_changed()
    events = [type(large)(policy=large.policy, source="x" * 1_000_000)]
    patient.write("pool", evt_pool(), *[events] * megabytes)

    found = patient.beside()

    assert list(found) == [code]
    assert told in found[code][0]


def test_keys_are_looked_at_one_by_one(patient: Patient) -> None:
    patient.start_nats()
    home = patient.home
    patient.write(
        "gateway",
        EVT_KEYS,
        [
            KeyRevoked(
                key_id=KeyId(f"key_{key_hash(patient.client_key)[:12]}"), reason="lost", by="test"
            )
        ],
        time=system_clock(),
    )
    (home / "operator.key").write_text("sk-admin-of-another-system\n")
    (home / "secrets" / "identity.key").unlink()
    (home / "secrets" / "master.key").chmod(0o640)
    home.chmod(0o755)

    found = patient.beside()

    assert found.pop("home_mode") == [f"{home} can be entered by others"]
    assert found == {
        "key_missing": [f"secrets/identity.key is not in {home}"],
        "key_mode": [f"{home / 'secrets' / 'master.key'}: mode 0640, expected 0600"],
        "key_unknown": ["operator.key: it opens nothing"],
        "key_revoked": [
            f"client.key: key_{key_hash(patient.client_key)[:12]} is revoked",
        ],
    }


def test_lines_of_the_credentials_file_that_are_of_no_use_are_named(patient: Patient) -> None:
    patient.start_nats()
    file = patient.home / "credentials.txt"
    file.write_text("good\ntopsecret,two\n\n# a remark\nsessionid=topsecret\n")
    provisioner = f'[pool.provisioner]\nkind = "file"\npath = "{file}"\n'
    (patient.home / "tidegate.toml").write_text(provisioner)
    patient.environment["TIDEGATE_CONFIG"] = str(patient.home / "tidegate.toml")
    del patient.environment["TIDEGATE_POOL_PROVISIONER_KIND"]

    (told,) = patient.beside()["credentials_refused"]

    assert told.startswith(f"{file}, line 2: credential: expected one account")
    assert "line 5: credential: expected the session's value alone" in told
    assert "topsecret" not in told
    file.write_text("good\n")
    assert "credentials_refused" not in patient.beside()
    file.unlink()
    assert patient.beside()["provisioner_file_missing"] == [
        f"{file}: the credentials are not there (No such file or directory)"
    ]


def test_a_master_key_that_opens_no_credential_is_named(patient: Patient) -> None:
    patient.start_nats()
    sealed = Sealer("the key of before").seal_credential(SessionId("ses_1"), "credential")
    patient.ask("pool", "$KV.credentials.ses_1", sealed)

    assert patient.beside() == {
        "master_key_wrong": ["session ses_1: sealed under another master key"]
    }


def test_credentials_that_no_key_opens_are_named_while_their_session_is_there(
    patient: Patient,
) -> None:
    patient.start_nats()
    patient.start("pool", "pool", TIDEGATE_POOL_PROVISIONER_KIND="none")
    patient.ready("pool")
    master = (patient.home / "secrets" / "master.key").read_text().strip()
    names = [SessionId(f"ses_{name}") for name in ("good", "lost")]
    items = [
        AddSession(
            session_id=name,
            sealed=Sealer(master).seal_credential(name, "c" * 12),
            label="account 7",
        )
        for name in names
    ]
    patient.administer(AddSessions(items=items, by="test"))
    for name in (names[1], SessionId("ses_never_added")):
        foreign = Sealer("another").seal_credential(name, "c" * 12)
        patient.ask("pool", f"$KV.credentials.{name}", foreign)

    assert patient.wrong()["credentials_closed"] == [
        "session ses_lost: sealed under another master key (account 7)"
    ]


def test_a_session_without_a_credential_is_named_unless_it_was_removed(patient: Patient) -> None:
    """Where a ciphertext was, nothing is any more: that is how one is taken out."""
    patient.start_nats()
    patient.start("pool", "pool", TIDEGATE_POOL_PROVISIONER_KIND="none")
    patient.ready("pool")
    master = (patient.home / "secrets" / "master.key").read_text().strip()
    names = _, lost, removed = [SessionId(f"ses_{name}") for name in ("a", "b", "c")]
    items = [
        AddSession(
            session_id=name,
            sealed=Sealer(master).seal_credential(name, "c" * 12),
            label=f"account {name[-1]}",
        )
        for name in names
    ]
    patient.administer(AddSessions(items=items, by="test"))
    patient.administer(ChangeSession(session_id=removed, status=SessionStatus.RETIRED, by="test"))
    for name in (lost, removed):
        patient.ask("pool", f"$KV.credentials.{name}", b"")

    assert patient.wrong()["credentials_missing"] == [
        "no credential is stored of ses_b (account b): calls on them fail"
    ]
    patient.administer(AddSessions(items=[items[1]], by="test"))
    assert "credentials_missing" not in patient.wrong()


def test_credentials_that_are_not_looked_for_in_answers_are_counted(patient: Patient) -> None:
    patient.start_nats()
    key = (patient.home / "secrets" / "master.key").read_text().strip()
    for name, text in (
        ("one", "s" * 12),
        ("two", "short"),
        ("three", "http://u:pw@h:1@" + "t" * 30),
    ):
        session_id = SessionId(f"ses_{name}")
        sealed = Sealer(key).seal_credential(session_id, text)
        patient.ask("pool", f"$KV.credentials.{session_id}", sealed)

    assert patient.beside() == {}
    (told,) = [one["message"] for one in patient.found if one["code"] == "credentials_short"]
    assert told.startswith("2 credentials, or passwords of their proxies, have under 12 characters")


def test_two_sessions_of_one_account_are_named_until_one_is_retired(patient: Patient) -> None:
    """Accounts stand in the pool as earlier versions told them apart: by region and proxy."""
    patient.start_nats()
    patient.start("pool", "pool", TIDEGATE_POOL_PROVISIONER_KIND="none")
    patient.ready("pool")
    master, identity = (
        (patient.home / "secrets" / f"{name}.key").read_text().strip()
        for name in ("master", "identity")
    )
    items = []
    for region, text in (
        ("us", "c" * 12),
        ("", "us-" + "c" * 12),
        ("", "c" * 12),
        ("hk", "d" * 12),
        ("jp", "http://u:old@10.0.0.1:1080@" + "e" * 12),
        ("jp", "http://u:new@10.0.0.1:1080@" + "e" * 12),
        ("hk", "http://u:new@10.0.0.1:1080@" + "e" * 12),
    ):
        session_id = session_identity(identity, region, text)
        sealed = Sealer(master).seal_credential(session_id, text)
        items.append(AddSession(session_id=session_id, sealed=sealed, region=region))
    now, older, *_, old, new, _ = (str(one.session_id) for one in items)
    patient.administer(AddSessions(items=items, by="an earlier version"))

    (told,) = patient.wrong()["account_twice"]
    for one in (items[1], items[5]):
        retired = ChangeSession(session_id=one.session_id, status=SessionStatus.RETIRED, by="test")
        patient.administer(retired)

    assert (
        told == f"{now} and {older}, {old} and {new} are one account each, which is granted twice"
    )
    assert "account_twice" not in patient.wrong()


def test_a_password_that_nats_does_not_have_is_named_by_its_user(patient: Patient) -> None:
    patient.start_nats()
    (patient.home / "secrets" / "balancer.nats").write_text("another\n")
    (patient.home / "secrets" / "archiver.nats").unlink()

    found = patient.beside()

    assert list(found) == ["nats_password_wrong"]
    assert found["nats_password_wrong"][0].startswith("balancer cannot connect")
    assert patient.state("permissions", "archiver") == "not checked here"


def test_a_user_that_may_write_what_is_not_its_own_is_named(patient: Patient) -> None:
    patient.start_nats()
    patient.kill("nats", 15)
    secrets = patient.home / "secrets"
    passwords = {user: (secrets / f"{user}.nats").read_text().strip() for user in USERS}
    users = json.loads(natsserver.accounts_text(passwords).partition(":")[2])["users"]
    users[USERS.index("gateway")]["permissions"]["publish"]["allow"].append("evt.>")
    (secrets / "nats.conf").write_text("authorization: " + json.dumps({"users": users}))
    patient.processes["nats"] = natsserver.start_server(
        secrets / "test-server.conf", patient.home / "nats.log", patient.nats_port
    )

    assert patient.beside() == {"permission_open": ["gateway may publish evt.pool.0, evt.balancer"]}


def test_every_follower_of_the_log_is_looked_at(patient: Patient) -> None:
    patient.start_nats()
    config = {
        "ack_policy": "none",
        "filter_subject": "evt.balancer",
        "mem_storage": True,
        "inactive_threshold": 120 * 10**9,
    }
    body = json.dumps({"stream_name": "EVT", "config": config}).encode()
    patient.ask("auditor", "$JS.API.CONSUMER.CREATE.EVT", *[body] * 300)

    assert set(patient.wrong()) == ALONE
    assert patient.state("consumers", "300 follow the log") == "fine"
    assert patient.state("standby", "no balancer stands by") == "note"


def test_a_clock_that_is_not_that_of_nats_is_named(patient: Patient) -> None:
    patient.start_nats()
    patient.set_clock(100)

    found = patient.beside()

    assert list(found) == ["clock_skew"]
    assert found["clock_skew"][0].startswith("NATS: ")


def test_a_log_that_ran_ahead_of_time_is_named(patient: Patient) -> None:
    patient.start_nats()
    tomorrow = system_clock().replace(year=system_clock().year + 1)
    patient.write("pool", evt_pool(), [LeaderElected(writer=LEADER, epoch=1)], time=tomorrow)

    found = patient.beside()

    assert list(found) == ["log_ahead"]
    assert found["log_ahead"][0].startswith("the last envelope of evt.pool.0 is dated ")
