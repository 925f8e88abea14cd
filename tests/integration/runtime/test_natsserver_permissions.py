"""What each NATS user may do, tried on a real server with the generated accounts."""

import asyncio
from collections.abc import Iterator

import pytest
from nats.aio.msg import Msg

from contracts import subjects
from contracts.base import LeaderElected, WriterId
from contracts.subjects import EVENT_STREAM, TABLE, USERS, Subject
from runtime.eventlog import EventLog, LogUnavailableError, OutcomeUnknownError
from runtime.eventlog.writer import SubjectWriter
from tests.integration.runtime.nats_users import migrated, server_with_accounts, session_as
from tests.moments import NOON

pytestmark = pytest.mark.anyio
_CONCRETE = {row.pattern: row.pattern.replace("*", "0") for row in TABLE}
_KV = f"KV_{subjects.CREDENTIALS_BUCKET}"


@pytest.fixture(scope="module")
def accounts_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server_with_accounts(tmp_path_factory.mktemp("accounts")) as url:
        yield url


@pytest.fixture
async def url(accounts_url: str) -> str:
    """The same, with the streams that the user `migrate` makes."""
    await migrated(accounts_url)
    return accounts_url


def publishers(row: Subject) -> set[str]:
    """Who may publish on a subject: those that ask, or, for events, its writers."""
    return set(row.callers) | ({row.owner} if row.reply is None else set())


@pytest.mark.parametrize("user", USERS)
async def test_a_user_publishes_what_the_table_lets_it_and_nothing_else(
    url: str, user: str
) -> None:
    async with session_as(url, user) as session:
        found = {row.pattern: await session.may_publish(_CONCRETE[row.pattern]) for row in TABLE}

    assert found == {row.pattern: user in publishers(row) for row in TABLE}


@pytest.mark.parametrize("user", USERS)
async def test_a_user_hears_the_questions_it_answers_and_no_others(url: str, user: str) -> None:
    async with session_as(url, user) as session:
        found = {row.pattern: await session.may_subscribe(row.pattern) for row in TABLE}

    heard = {
        row.pattern: row.pattern.startswith("ctl.") or (user == row.owner and row.reply is not None)
        for row in TABLE
    }
    assert found == heard


@pytest.mark.parametrize("user", USERS)
async def test_a_user_hears_its_own_answers_and_nobody_elses(url: str, user: str) -> None:
    async with session_as(url, user) as session:
        found = {one for one in USERS if await session.may_subscribe(f"_INBOX_{one}.x.y")}
        everything = [await session.may_subscribe(what) for what in (">", "_INBOX.>", "evt.>")]

    assert found == {user}
    assert everything == [False, False, False]


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("pool", subjects.evt_pool()),
        ("balancer", subjects.EVT_BALANCER),
        ("gateway", subjects.EVT_KEYS),
        ("migrate", subjects.EVT_KEYS),
    ],
)
async def test_a_writer_appends_behind_the_fence_and_reads_its_subject(
    url: str, user: str, subject: str
) -> None:
    async with session_as(url, user) as session:
        writer = SubjectWriter(EventLog(session.client), subject, WriterId(user))
        for stored in await writer.stored_behind():
            writer.note_stored(stored)
        sequence = await writer.append_events([LeaderElected(writer=writer.writer, epoch=1)], NOON)
        last = await EventLog(session.client).last_stored(subject)

    assert session.refused == []
    assert last is not None
    assert last.sequence == sequence


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("gateway", subjects.evt_pool()),
        ("balancer", subjects.evt_pool()),
        ("auditor", subjects.EVT_KEYS),
        ("analytics", subjects.EVT_BALANCER),
        ("archiver", subjects.evt_pool()),
    ],
)
async def test_nothing_is_stored_for_a_user_that_may_not_write(
    url: str, user: str, subject: str
) -> None:
    async with session_as(url, user) as session:
        log = EventLog(session.client)
        before = (await log.stream_state()).last_sequence

        with pytest.raises((OutcomeUnknownError, LogUnavailableError)):
            await log.append_after(subject, b"{}", 0)

        assert (await log.stream_state()).last_sequence == before


@pytest.mark.parametrize("user", ["gateway", "pool", "balancer", "analytics", "auditor"])
async def test_who_follows_the_log_may_consume_it(url: str, user: str) -> None:
    async with session_as(url, "pool") as pool:
        writer = SubjectWriter(EventLog(pool.client), subjects.evt_pool(), WriterId("pool"))
        for stored in await writer.stored_behind():
            writer.note_stored(stored)
        sequence = await writer.append_events([], NOON)
    async with session_as(url, user) as session:
        async for batch in EventLog(session.client).read_range("evt.>", 0, sequence):
            last = batch[-1].sequence

    assert last == sequence
    assert session.refused == []


async def test_credentials_are_written_by_the_pool_and_read_by_it_and_the_gateway(
    url: str,
) -> None:
    async with session_as(url, "pool") as pool:
        kept = await pool.client.jetstream().key_value(subjects.CREDENTIALS_BUCKET)
        await kept.put("ses_1", b"sealed")
        own = await kept.get("ses_1")
    async with session_as(url, "gateway") as gateway:
        bucket = await gateway.client.jetstream().key_value(subjects.CREDENTIALS_BUCKET)
        read = await bucket.get("ses_1")

    assert (own.value, read.value) == (b"sealed", b"sealed")
    assert (pool.refused, gateway.refused) == ([], [])


@pytest.mark.parametrize("user", USERS)
async def test_only_the_pool_writes_credentials(url: str, user: str) -> None:
    async with session_as(url, user) as session:
        may = await session.may_publish(f"$KV.{subjects.CREDENTIALS_BUCKET}.ses_2")

    assert may == (user == "pool")


@pytest.mark.parametrize("user", USERS)
async def test_only_pool_and_gateway_read_credentials(url: str, user: str) -> None:
    ways = [
        f"$JS.API.STREAM.MSG.GET.{_KV}",
        f"$JS.API.DIRECT.GET.{_KV}",
        f"$JS.API.DIRECT.GET.{_KV}.$KV.{subjects.CREDENTIALS_BUCKET}.ses_1",
        f"$JS.API.CONSUMER.CREATE.{_KV}",
        f"$JS.API.CONSUMER.CREATE.{_KV}.one.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{_KV}.one",
        f"$JS.API.CONSUMER.MSG.NEXT.{_KV}.one",
    ]
    async with session_as(url, user) as session:
        found = [await session.may_publish(way) for way in ways]

    assert any(found) == (user in {"gateway", "pool"}), found


@pytest.mark.parametrize("user", USERS)
async def test_snapshots_are_written_and_purged_by_one_user_alone(url: str, user: str) -> None:
    async with session_as(url, user) as session:
        writes = await session.may_publish("$KV.snapshots.pool.0.1-x.0")
        purges = await session.may_publish("$JS.API.STREAM.PURGE.KV_snapshots", b'{"seq":1}')

    assert (writes, purges) == (user == "snapshotter", user == "snapshotter")


@pytest.mark.parametrize("user", USERS)
async def test_only_the_archiver_purges_the_log_and_nobody_deletes_from_it(
    url: str, user: str
) -> None:
    async with session_as(url, user) as session:
        purges = await session.may_publish(f"$JS.API.STREAM.PURGE.{EVENT_STREAM}", b'{"seq":1}')
        purges_others = await session.may_publish(f"$JS.API.STREAM.PURGE.{_KV}")
        deletes = await session.may_publish(f"$JS.API.STREAM.MSG.DELETE.{EVENT_STREAM}")

    assert (purges, purges_others, deletes) == (user == "archiver", False, False)


@pytest.mark.parametrize("user", USERS)
async def test_only_migrate_makes_a_stream_and_nobody_changes_or_deletes_one(
    url: str, user: str
) -> None:
    async with session_as(url, user) as session:
        found = {
            verb
            for verb in ("CREATE", "UPDATE", "DELETE", "RESTORE", "SNAPSHOT")
            if await session.may_publish(f"$JS.API.STREAM.{verb}.OTHER")
        }

    assert found == ({"CREATE"} if user == "migrate" else set())


@pytest.mark.parametrize("user", USERS)
async def test_only_the_archiver_takes_what_is_backed_up_and_only_migrate_puts_it_back(
    url: str, user: str
) -> None:
    streams = (EVENT_STREAM, _KV, subjects.DEAD_LETTER_STREAM)
    ways = (
        "$JS.API.STREAM.SNAPSHOT.{}",
        "$JS.SNAPSHOT.ACK.{}.x.1.2",
        "$JS.API.STREAM.RESTORE.{}",
        "$JS.SNAPSHOT.RESTORE.{}.x",
    )
    async with session_as(url, user) as session:
        found = [
            [way for way in ways if await session.may_publish(way.format(stream))]
            for stream in streams
        ]

    allowed = {"archiver": list(ways[:2]), "migrate": list(ways[2:])}.get(user, [])

    assert found == [allowed, allowed, []]


async def test_a_stream_that_is_there_is_not_restored_over(url: str) -> None:
    async with session_as(url, "migrate") as session:
        log = EventLog(session.client)
        before = await log.stream_state()
        told = await session.client.request(
            f"$JS.API.STREAM.RESTORE.{EVENT_STREAM}",
            b'{"config":{"name":"EVT","subjects":["evt.>"]},"state":{}}',
            timeout=10,
        )

        assert b"stream name already in use" in told.data
        assert await log.stream_state() == before


async def test_a_wrong_password_opens_nothing(url: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(b'CONNECT {"user": "pool", "pass": "wrong", "verbose": false}\r\nPING\r\n')
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert b"-ERR 'Authorization Violation'" in answer
    assert b"PONG" not in answer


async def test_a_service_answers_a_question_and_only_once(url: str) -> None:
    """`allow_responses`: the answer goes to an inbox that is not the service's own."""
    async with session_as(url, "pool") as pool, session_as(url, "gateway") as gateway:
        heard: asyncio.Queue[str] = asyncio.Queue()

        async def answered(message: Msg) -> None:
            await message.respond(b"first")
            await heard.put(message.reply)

        await pool.client.subscribe(subjects.pool_ping(), cb=answered)
        # Twice: a PING may overtake the subscription that was written before it.
        await pool.client.flush()
        await pool.client.flush()
        answer = await gateway.client.request(subjects.pool_ping(), b"{}", timeout=5)
        reply = await heard.get()
        again = await pool.may_publish(reply, b"second")

    assert answer.data == b"first"
    assert not again
