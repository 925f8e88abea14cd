"""Where the pool's sessions come from, and how its policy and secrets are kept."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from nats.aio.client import Client

from contracts import subjects
from contracts.base import Failed, RequestId, SessionId
from contracts.pool import (
    AddSession,
    AddSessions,
    ChangeSession,
    Done,
    Granted,
    PolicyChanged,
    Refusal,
    Refused,
    SessionAdded,
    SessionRevived,
    SessionStatus,
)
from runtime.secrets import Sealer, session_identity
from runtime.settings import SettingsError
from services.pool.settings import ProvisionerSection, Settings
from tests.integration.pool.room import (
    KEYS,
    Room,
    ask_pool,
    events,
    image_wanted,
    lease,
    pool,
    settings,
    status,
)
from tests.waiting import until

pytestmark = pytest.mark.anyio
SEALER = Sealer(KEYS[0])


def without_provisioner() -> Settings:
    return settings(0, max_size=10_000, provisioner=ProvisionerSection(kind="none"))


def sealed(credential: str, **fields: object) -> AddSession:
    session_id = session_identity(KEYS[1], "", credential)
    body = SEALER.seal_credential(session_id, credential)
    return AddSession(session_id=session_id, sealed=body, **fields)


def full(room: Room) -> bool:
    return bool(room.parts.metrics.registry.get_sample_value("tidegate_pool_log_full"))


async def administer(client: Client, command: AddSessions | ChangeSession) -> Done | Failed:
    return await ask_pool(client, subjects.pool_admin(), command)


async def test_five_hundred_generated_sessions_have_a_credential_each(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: settings(500)) as room:
        await room.leading()

        assert (await status(nats_client)).sessions_total == 500
        sessions = list(room.parts.ledger.state.sessions)
        assert set(room.parts.credentials.revisions) == set(sessions)
        stored = await nats_client.jetstream().get_last_msg(
            "KV_credentials", f"$KV.credentials.{sessions[0]}"
        )
        assert stored.data is not None
        credential = SEALER.open_credential(sessions[0], stored.data)
        assert session_identity(KEYS[1], "", credential) == sessions[0]
        assert credential.encode() not in stored.data
        assert {one.origin for one in await events(nats_client, SessionAdded)} == {"generated"}


async def test_generated_pool_is_kept_at_its_smallest_size(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, lambda: settings(3, max_size=9)) as room:
        await room.leading()
        (first, *_) = room.parts.ledger.state.sessions
        retired = ChangeSession(session_id=first, status=SessionStatus.RETIRED, by="me")

        assert await administer(nats_client, retired) == Done(changed=[first])

        await until(lambda: room.parts.ledger.state.size == 3)
        assert len(room.parts.ledger.state.sessions) == 4


async def test_added_session_is_leased_with_the_revision_of_its_newest_ciphertext(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, without_provisioner) as room:
        await room.leading()
        one = sealed("secret", region="us", limits={"image": 2})

        assert await administer(nats_client, AddSessions(items=[one], by="me")) == Done(
            changed=[one.session_id]
        )
        again = msgspec.structs.replace(
            one, sealed=SEALER.seal_credential(one.session_id, "secret")
        )
        assert await administer(nats_client, AddSessions(items=[again], by="me")) == Done()

        (granted,) = await lease(nats_client, image_wanted())

        assert isinstance(granted, Granted)
        assert (granted.session_id, granted.region) == (one.session_id, "us")
        kept = await nats_client.jetstream().get_last_msg(
            "KV_credentials", f"$KV.credentials.{one.session_id}"
        )
        assert granted.credential_revision == kept.seq
        assert len(await events(nats_client, SessionAdded)) == 1


async def test_a_long_import_is_journalled_in_several_envelopes(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url, without_provisioner) as room:
        await room.leading()

        items = [sealed(f"credential {number}") for number in range(450)]
        answer = await administer(nats_client, AddSessions(items=items, by="me"))

        assert answer == Done(changed=[item.session_id for item in items])
        assert room.parts.ledger.state.size == 450


@pytest.mark.parametrize(
    ("item", "named"),
    [
        (AddSession(session_id=SessionId("a.b"), sealed=b"x"), "session_id"),
        (
            AddSession(
                session_id=SessionId("a"), sealed=Sealer("z").seal_credential(SessionId("a"), "c")
            ),
            "sealed",
        ),
        (None, "items"),
    ],
)
async def test_session_that_no_gateway_could_use_is_refused(
    nats_url: str, nats_client: Client, item: AddSession | None, named: str
) -> None:
    async with pool(nats_url, without_provisioner) as room:
        await room.leading()

        answer = await administer(nats_client, AddSessions(items=[item] if item else [], by="me"))

        assert isinstance(answer, Failed)
        assert answer.code == "bad_request"
        assert answer.message.startswith(named)
        assert not room.parts.ledger.state.sessions


async def test_file_is_followed_and_a_retired_session_stays_so(
    nats_url: str, nats_client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text('# ours\nus-one\n\n{"credential": "two", "limits": {"image": 3}}\nus-one\n')
    section = ProvisionerSection(kind="file", path=str(file))
    async with pool(nats_url, lambda: settings(0, max_size=9, provisioner=section)) as room:
        await room.leading()
        one, two = (session_identity(KEYS[1], *pair) for pair in (("us", "one"), ("", "two")))
        sessions = room.parts.ledger.state.sessions

        assert (sessions[one].region, sessions[two].account.limits) == ("us", {"image": 3})
        retired = ChangeSession(session_id=one, status=SessionStatus.RETIRED, by="me")
        await administer(nats_client, retired)
        file.write_text(file.read_text() + "three\n")

        await until(lambda: len(sessions) == 3)

        assert sessions[one].status is SessionStatus.RETIRED
        assert not await events(nats_client, SessionRevived)


async def test_file_is_taken_from_where_it_was_found(
    nats_url: str, nats_client: Client, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("first\n")
    two.write_text("second\n")
    section = ProvisionerSection(kind="file", path="one")
    wanted = settings(0, max_size=9, provisioner=section)
    now = [msgspec.structs.replace(wanted, file=str(one))]
    async with pool(nats_url, lambda: now[0]) as room:
        await room.leading()
        sessions = room.parts.ledger.state.sessions

        assert list(sessions) == [session_identity(KEYS[1], "", "first")]

        now[0] = msgspec.structs.replace(wanted, file=str(two))

        await until(lambda: len(sessions) == 2)
        assert len(await events(nats_client, PolicyChanged)) == 1


@pytest.mark.parametrize("line", ["us-old", '{"credential": "us-old"}', "http://p:1@us-proxied"])
async def test_session_of_an_earlier_version_is_not_added_again(
    nats_url: str, nats_client: Client, tmp_path: Path, line: str
) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"{line}\nus-new\n")
    from_file = ProvisionerSection(kind="file", path=str(file))
    section = ProvisionerSection(kind="none")
    async with pool(nats_url, lambda: settings(0, max_size=9, provisioner=section)) as room:
        await room.leading()
        # As earlier versions took a JSON line, an answer of the hook's, a call of the API's.
        older = [sealed("us-old"), sealed("http://p:1@us-proxied")]
        await administer(nats_client, AddSessions(items=older, by="me"))
        section = from_file
        sessions = room.parts.ledger.state.sessions

        await until(lambda: len(sessions) == 3)
        file.write_text(f"{line}\nus-new\nanother\n")
        await until(lambda: len(sessions) == 4)

        names = [("us", "new"), ("", "another"), ("", "us-old"), ("", "http://p:1@us-proxied")]
        assert sessions.keys() == {session_identity(KEYS[1], *pair) for pair in names}


@pytest.mark.parametrize("older", ["", "http://u:old@10.0.0.1:1080@"])
async def test_new_proxy_of_an_account_is_kept_by_the_session_it_has(
    nats_url: str, nats_client: Client, tmp_path: Path, older: str
) -> None:
    file = tmp_path / "credentials"
    file.write_text("http://u:old@10.0.0.1:1080@token\n")
    from_file = ProvisionerSection(kind="file", path=str(file))
    section = ProvisionerSection(kind="none")
    async with pool(nats_url, lambda: settings(0, max_size=9, provisioner=section)) as room:
        await room.leading()
        name = session_identity(KEYS[1], "", f"{older}token")
        text = "http://u:old@10.0.0.1:1080@token"
        items = [AddSession(session_id=name, sealed=SEALER.seal_credential(name, text))]
        await administer(nats_client, AddSessions(items=items, by="an earlier version"))
        revision = room.parts.credentials.revisions[name]
        file.write_text("http://u:old@10.0.0.1:1080@token\nother\n")
        section = from_file
        sessions = room.parts.ledger.state.sessions
        await until(lambda: len(sessions) == 2)

        assert room.parts.credentials.revisions[name] == revision, "it is sealed as it was"

        wanted = "http://u:new@10.0.0.1:1080@token"
        file.write_text(f"{wanted}\nother\n" if not older else f"{text}\n{wanted}\nother\n")
        if not older:
            await until(lambda: room.parts.credentials.revisions[name] > revision)
            tried = [one async for one in room.parts.credentials.open_all()]
            kept = {one.session_id: one.credential for one in tried}
            assert kept[name] == wanted
        assert len(sessions) == 2


async def test_bad_line_of_a_file_costs_none_of_the_others(
    nats_url: str, nats_client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("one\ntwo,three\nfour\n")
    section = ProvisionerSection(kind="file", path=str(file))
    async with pool(nats_url, lambda: settings(0, max_size=9, provisioner=section)) as room:
        await room.leading()

        assert len(room.parts.ledger.state.sessions) == 2

        file.write_text("one\ntwo,three\nfour\nfive\n")

        await until(lambda: len(room.parts.ledger.state.sessions) == 3)
        assert room.parts.unready_reason() == ""


async def test_bad_line_of_a_file_is_told_by_its_number_until_it_is_put_right(
    nats_url: str, nats_client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("one\ntwo,three\n")
    section = ProvisionerSection(kind="file", path=str(file))
    async with pool(nats_url, lambda: settings(0, max_size=9, provisioner=section)) as room:
        await room.leading()
        before = (await status(nats_client)).credentials_trouble
        file.write_text("one\ntwo\n")
        await until(lambda: len(room.parts.ledger.state.sessions) == 2)
        after = (await status(nats_client)).credentials_trouble

    assert before.startswith(f"{file}, line 2: credential: expected ")
    assert "three" not in before
    assert after == ""


async def test_file_that_goes_wrong_takes_no_session_that_is_there(
    nats_url: str, nats_client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("one\n")
    section = ProvisionerSection(kind="file", path=str(file))
    current = settings(0, max_size=9, provisioner=section)
    async with pool(nats_url, lambda: current) as room:
        await room.leading()
    file.write_text("bad one\n")
    async with pool(nats_url, lambda: current) as room:  # another life of it
        await room.leading()

        assert len(room.parts.ledger.state.sessions) == 1

        file.unlink()
        await asyncio.sleep(1.2)
        assert room.parts.unready_reason() == ""


async def test_file_that_cannot_be_read_is_the_reason_for_not_being_ready(
    nats_url: str, nats_client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text('{"credential": 7}\n')
    section = ProvisionerSection(kind="file", path=str(file))
    async with pool(nats_url, lambda: settings(0, provisioner=section)) as room:
        await until(lambda: "line 1" in room.parts.unready_reason())

        assert "credential" in room.parts.unready_reason()

        file.write_text("seven\n")

        await room.leading()
        assert len(room.parts.ledger.state.sessions) == 1


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("none", None, Refusal.CREDENTIALS_EXHAUSTED),
        ("file", "# nobody yet\n", Refusal.CREDENTIALS_EXHAUSTED),
        ("file", None, Refusal.SATURATED),
    ],
    ids=["none", "empty", "missing"],
)
async def test_pool_without_sessions_says_whether_any_are_to_come(
    nats_url: str,
    nats_client: Client,
    tmp_path: Path,
    kind: Literal["none", "file"],
    text: str | None,
    reason: Refusal,
) -> None:
    path = tmp_path / "credentials.txt"
    if text is not None:
        path.write_text(text)
    section = ProvisionerSection(kind=kind, path=str(path) if kind == "file" else "")
    async with pool(nats_url, lambda: settings(2, provisioner=section)) as room:
        if reason is Refusal.SATURATED:
            await until(lambda: str(path) in room.parts.leader.missing)
        else:
            await until(lambda: room.parts.ledger.state.provisioner_empty)
            await until(lambda: not room.parts.ledger.state.growing)

        (answer,) = await lease(nats_client, image_wanted())

        assert isinstance(answer, Refused)
        assert answer.reason is reason


async def test_policy_is_journalled_once_per_content_of_the_file(
    nats_url: str, nats_client: Client
) -> None:
    current = settings(1, 10)
    async with pool(nats_url, lambda: current) as room:
        await room.leading()
        await room.stopped()
    async with pool(nats_url, lambda: current) as room:
        await room.leading()

        assert len(await events(nats_client, PolicyChanged)) == 1

        current = settings(1, 3)

        await until(lambda: room.parts.ledger.state.policy.daily_limits == {"image": 3})
        answers = await lease(nats_client, *(image_wanted() for _ in range(4)))
        assert [type(answer) for answer in answers] == [Granted] * 3 + [Refused]


async def test_settings_gone_wrong_leave_the_policy_as_it_was(
    nats_url: str, nats_client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    loads = 0

    def load() -> Settings:
        nonlocal loads
        loads += 1
        if loads > 1:
            raise SettingsError("tidegate.toml: pool.min_size: expected at least 0")
        return settings(1)

    async with pool(nats_url, load) as room:
        await room.leading()
        await until(lambda: loads > 2)

        assert isinstance((await lease(nats_client, image_wanted()))[0], Granted)
    assert capsys.readouterr().err.count("settings_refused") == 1


async def test_wrong_master_key_is_refused_at_boot(nats_url: str, nats_client: Client) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        await room.stopped()

    async with pool(nats_url, keys=("another", KEYS[1])) as room:
        with pytest.raises(SettingsError, match="TIDEGATE_SECRET_KEY: expected the master key"):
            await room.task


async def test_leases_are_refused_and_ends_taken_when_the_log_is_nearly_full(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        (granted,) = await lease(nats_client, image_wanted("r1"))
        assert isinstance(granted, Granted)
        js = nats_client.jetstream()
        info = await js.stream_info("EVT")
        info.config.max_bytes = int(info.state.bytes * 1.08)
        await js.update_stream(info.config)
        await until(
            lambda: room.parts.metrics.registry.get_sample_value("tidegate_pool_log_full") == 1
        )
        before = (await js.stream_info("EVT")).state.messages

        (refused,) = await lease(nats_client, image_wanted())

        assert isinstance(refused, Refused)
        assert refused.reason is Refusal.LEDGER_UNAVAILABLE
        assert (await js.stream_info("EVT")).state.messages == before


async def test_leases_are_refused_while_no_stream_takes_the_log_and_granted_after(
    nats_url: str, nats_client: Client
) -> None:
    async with pool(nats_url) as room:
        await room.leading()
        js = nats_client.jetstream()
        info = await js.stream_info("EVT")
        bound = info.config.max_bytes
        info.config.max_bytes = info.state.bytes
        await js.update_stream(info.config)
        asked = image_wanted("r1", asked_at=datetime.now(UTC))

        (refused,) = await lease(nats_client, asked)

        assert isinstance(refused, Refused)
        assert refused.reason is Refusal.LEDGER_UNAVAILABLE
        assert RequestId("r1") not in {
            one.request_id for one in room.parts.ledger.state.leases.values()
        }
        info.config.max_bytes = bound
        await js.update_stream(info.config)
        await until(lambda: not full(room))
        assert isinstance((await lease(nats_client, asked))[0], Granted)
