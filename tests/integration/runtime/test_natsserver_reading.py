"""What each NATS user may not read: every user against every door of NATS, on a real server.

What is expected is written down here, not derived from what is tested. `test_permissions` has
the pairs of the table's own subjects.
"""

from collections.abc import Iterator

import pytest

from contracts import subjects
from contracts.subjects import EVENT_STREAM, TABLE, USERS
from tests.integration.runtime.nats_users import migrated, server_with_accounts, session_as

pytestmark = pytest.mark.anyio
KV = f"KV_{subjects.CREDENTIALS_BUCKET}"
LEDGERS = "KV_snapshots"
STREAMS = (EVENT_STREAM, subjects.DEAD_LETTER_STREAM, KV, LEDGERS)
READS = (
    "STREAM.INFO.{0}",
    "STREAM.MSG.GET.{0}",
    "DIRECT.GET.{0}",
    "DIRECT.GET.{0}.$KV.credentials.ses_1",
    "CONSUMER.CREATE.{0}",
    "CONSUMER.CREATE.{0}.name",
    "CONSUMER.CREATE.{0}.name.evt.>",
    "CONSUMER.INFO.{0}.name",
    "CONSUMER.DELETE.{0}.name",
    "CONSUMER.MSG.NEXT.{0}.name",
)
"""The ways of reading a stream that a reader needs."""
NEVER = (
    "CONSUMER.DURABLE.CREATE.{0}.name",
    "CONSUMER.LIST.{0}",
    "CONSUMER.NAMES.{0}",
    "CONSUMER.PAUSE.{0}.name",
    "CONSUMER.UNPIN.{0}.name",
    "CONSUMER.LEADER.STEPDOWN.{0}.name",
    "STREAM.UPDATE.{0}",
    "STREAM.DELETE.{0}",
    "STREAM.SNAPSHOT.{0}",
    "STREAM.RESTORE.{0}",
    "STREAM.MSG.DELETE.{0}",
    "STREAM.LEADER.STEPDOWN.{0}",
    "STREAM.PEER.REMOVE.{0}",
)
"""What is done to a stream, or told of its other readers, by office alone."""
NOWHERE = (
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.NAMES",
    "$JS.API.ACCOUNT.PURGE.$G",
    "$JS.API.META.LEADER.STEPDOWN",
    "$JS.API.SERVER.REMOVE",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.ACCOUNT.$G.CONNZ",
    "$SYS.REQ.USER.INFO",
    "$JS.ACK.EVT.name.1.1.1.1.1",
    "dlq.evt",
    "evt",
    "evt.other",
    "evt.keys.other",
    "$KV.other.key",
    "$O.other.C.x",
)
"""Where nobody publishes."""
SILENT = (
    ">",
    "*",
    "*.>",
    "evt.>",
    "evt.pool.0",
    "evt.keys",
    "rpc.>",
    "rpc.*.*",
    "rpc.pool.>",
    "rpc.balancer.>",
    "rpc.analytics.>",
    "rpc.gateway.>",
    "dlq.>",
    "$KV.>",
    "$KV.credentials.>",
    "$KV.credentials.ses_1",
    "$JS.>",
    "$JS.API.>",
    "$JS.ACK.>",
    "$JS.EVENT.ADVISORY.>",
    "$SYS.>",
    "_INBOX.>",
)
"""What nobody hears, the owner of what lies below included: it subscribes subject by subject."""
READERS = {
    EVENT_STREAM: set(USERS),
    KV: {"pool", "gateway"},
    LEDGERS: {"pool", "snapshotter"},
    subjects.DEAD_LETTER_STREAM: set(),
}
"""Who reads a stream. Credentials are read by the last message, never consumed."""
INFORMED = {"migrate", "auditor"}
"""Who may ask how a stream is whose messages it may not read."""
BY_OFFICE = {
    "migrate": {f"$JS.API.STREAM.RESTORE.{one}" for one in (EVENT_STREAM, KV, LEDGERS)},
    "archiver": {f"$JS.API.STREAM.SNAPSHOT.{one}" for one in (EVENT_STREAM, KV, LEDGERS)},
    "auditor": {f"$JS.API.CONSUMER.LIST.{EVENT_STREAM}"},
}
"""Who makes a stream of a backup, who takes one, and who tells how far its readers are."""


@pytest.fixture(scope="module")
def accounts_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server_with_accounts(tmp_path_factory.mktemp("accounts")) as url:
        yield url


@pytest.fixture
async def url(accounts_url: str) -> str:
    await migrated(accounts_url)
    return accounts_url


def expected(user: str, stream: str) -> set[str]:
    """Which of `READS` a user has on a stream."""
    if user not in READERS[stream]:
        return {"STREAM.INFO.{0}"} if user in INFORMED else set()
    return set(READS[:4]) if stream in {KV, LEDGERS} else set(READS)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("user", USERS)
async def test_a_stream_is_read_by_its_readers_and_by_nobody_else(
    url: str, user: str, stream: str
) -> None:
    async with session_as(url, user) as session:
        ways = {f"$JS.API.{way.format(stream)}": way for way in READS}
        found = {ways[subject] for subject in await session.publishes(list(ways))}

    assert found == expected(user, stream)


@pytest.mark.parametrize("user", USERS)
async def test_nobody_changes_a_stream_or_looks_at_its_readers_but_by_office(
    url: str, user: str
) -> None:
    ways = [f"$JS.API.{way.format(stream)}" for way in NEVER for stream in STREAMS]
    async with session_as(url, user) as session:
        found = await session.publishes(ways)

    assert set(found) == BY_OFFICE.get(user, set())


@pytest.mark.parametrize("user", USERS)
async def test_nobody_publishes_where_nobody_listens(url: str, user: str) -> None:
    async with session_as(url, user) as session:
        found = await session.publishes(NOWHERE)

    assert found == []


@pytest.mark.parametrize("user", USERS)
async def test_nobody_hears_more_than_it_answers(url: str, user: str) -> None:
    async with session_as(url, user) as session:
        found = await session.hears(SILENT)

    assert found == []


@pytest.mark.parametrize("user", USERS)
async def test_nobody_answers_in_anothers_inbox_unasked(url: str, user: str) -> None:
    async with session_as(url, user) as session:
        inboxes = [f"_INBOX_{one}.x.y" for one in USERS]
        written, heard = await session.publishes(inboxes), await session.hears(inboxes)

    assert (written, heard) == ([], [f"_INBOX_{user}.x.y"])


@pytest.mark.parametrize("user", USERS)
async def test_questions_for_others_are_not_heard_as_one_of_a_group_either(
    url: str, user: str
) -> None:
    foreign = [row.pattern for row in TABLE if row.owner != user and row.reply is not None]
    async with session_as(url, user) as session:
        found = await session.hears(foreign, queue="thieves")

    assert found == []


@pytest.mark.parametrize("user", USERS)
async def test_broadcasts_are_heard_by_all_and_made_by_their_owner(url: str, user: str) -> None:
    async with session_as(url, user) as session:
        made = ["ctl.pool.0", "ctl.balancer", *(f"ctl.{one}.stop" for one in USERS)]
        makes = await session.publishes(made)
        hears = await session.hears(["ctl.>"])

    assert makes == {"pool": ["ctl.pool.0", "ctl.pool.stop"], "balancer": ["ctl.balancer"]}.get(
        user, []
    )
    assert hears
