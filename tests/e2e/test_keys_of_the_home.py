"""The two keys of the home, when the log is older than they are."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import msgspec
import nats
import pytest

from contracts.base import WriterId
from contracts.subjects import EVT_KEYS
from runtime.eventlog import EventLog
from runtime.eventlog.writer import SubjectWriter
from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

NewStack = Callable[..., Stack]


def key_stack(new_stack: NewStack) -> Stack:
    """NATS and a gateway: whoever asks for keys needs no more."""
    stack = new_stack()
    stack.start_nats()
    stack.start_gateway()
    stack.wait_url(f"http://127.0.0.1:{stack.health['gateway']}/livez", "gateway")
    stack.eventually(lambda: listed(stack, stack.operator_key), 200)
    return stack


def listed(stack: Stack, key: str) -> int:
    """The status of a question that takes an admin key; a client key is known and may not ask."""
    headers = {"Authorization": f"Bearer {key}"}
    try:
        return httpx.get(f"{stack.url()}/api/keys", headers=headers, timeout=10).status_code
    except httpx.TransportError:
        return 0


def journalled_by(stack: Stack, *events: bytes) -> None:
    async def append() -> None:
        password = (stack.home / "secrets" / "migrate.nats").read_text().strip()
        url = f"nats://migrate:{password}@127.0.0.1:{stack.nats_port}"
        client = await nats.connect(url, inbox_prefix=b"_INBOX_migrate")
        writer = SubjectWriter(EventLog(client), EVT_KEYS, WriterId("later"))
        for stored in await writer.stored_behind():
            writer.note_stored(stored)
        await writer.append_events(
            [msgspec.Raw(one) for one in events], writer.next_instant(datetime.now(UTC))
        )
        await client.close()

    asyncio.run(append())


def test_key_that_was_deleted_and_made_anew_is_journalled(new_stack: NewStack) -> None:
    stack = key_stack(new_stack)
    former = stack.client_key
    (stack.home / "client.key").unlink()

    assert stack.tidegate("migrate", "--secrets").stdout == "made client.key\n"
    assert listed(stack, stack.client_key) == 401

    made = stack.tidegate("migrate")

    assert (made.returncode, made.stdout, made.stderr) == (0, "made client key\n", "")
    stack.eventually(lambda: listed(stack, stack.client_key), 403)
    assert listed(stack, former) == 403
    again = stack.tidegate("migrate")
    assert again.stdout == "nothing to make: everything is there\n"
    names = [(key["name"], key["scope"]) for key in stack.api("/api/keys")["data"]]
    assert names == [("operator", "admin"), ("client", "client"), ("client", "client")]


def test_key_that_was_revoked_or_rotated_does_not_come_back(new_stack: NewStack) -> None:
    stack = key_stack(new_stack)
    operator, client = (key["id"] for key in stack.api("/api/keys")["data"])
    stack.api(f"/api/keys/{client}", "DELETE")
    stack.api(f"/api/keys/{operator}/rotate", "POST")

    made = stack.tidegate("migrate")

    assert (made.returncode, made.stdout) == (0, "nothing to make: everything is there\n")
    for told in (
        f"client.key opens nothing: {client} was revoked. Delete the file",
        f"operator.key opens nothing: {operator} was rotated. Delete the file",
    ):
        assert told in made.stderr
    stack.eventually(lambda: listed(stack, stack.client_key), 401)


def test_event_of_a_later_version_is_counted(new_stack: NewStack) -> None:
    stack = key_stack(new_stack)

    journalled_by(stack, b'{"type":"key_blessed"}')

    url = f"http://127.0.0.1:{stack.health['gateway']}/metrics"
    counted = "tidegate_gateway_unknown_events 1.0"
    stack.eventually(lambda: counted in httpx.get(url).text, expected=True)

    assert listed(stack, stack.operator_key) == 200
