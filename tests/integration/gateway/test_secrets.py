"""The master keys at the gateway: shown by their ids, rotated to, and read again when unknown."""

import pytest

from contracts.base import SessionId
from runtime.nats.connection import Outage
from runtime.secrets import Sealer, key_id_of, new_key
from services.gateway.domain.errors import GatewayError
from services.gateway.relay.credentials import Credentials
from services.pool.bucket import CredentialBucket
from tests.integration.gateway.doors import MASTER, Desk

pytestmark = pytest.mark.anyio
ONE = SessionId("ses_1")


async def test_keys_are_shown_by_their_ids(staffed: Desk) -> None:
    told = await staffed.ask("GET", "/api/secrets", 200)

    assert told["key_ids"] == [key_id_of(MASTER)]
    assert set(told["ciphertexts"]) == {key_id_of(MASTER)}
    assert [holder["key_ids"] for holder in told["holders"]] == [[key_id_of(MASTER)]]
    assert told["rotation"] is None
    assert MASTER not in str(told)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"key_id": "0badc0de"}, "expected a key of the pool's key file"),
        ({"key_id": "no id"}, "key_id"),
        ({}, "key_id"),
    ],
)
async def test_rotation_to_a_key_that_is_none_is_refused_by_name(
    staffed: Desk, body: dict[str, str], expected: str
) -> None:
    error = await staffed.refused("POST", "/api/secrets/rotate", 400, json=body)

    assert expected in error["message"]


async def test_rotation_to_the_key_that_seals_has_nothing_to_change(staffed: Desk) -> None:
    wanted = {"key_id": key_id_of(MASTER)}

    told = await staffed.ask("POST", "/api/secrets/rotate", 200, json=wanted)

    assert told["rotation"]["key_id"] == key_id_of(MASTER)


async def test_credential_under_a_key_that_has_just_come_is_opened(staffed: Desk) -> None:
    client = staffed.doors.client
    new = new_key()
    sealed = Sealer(new).seal_credential(ONE, "secret")
    await CredentialBucket(client).store_behind(ONE, sealed, 0)
    text = "old"
    credentials = Credentials(client, Sealer(text, lambda: text), lambda: 1.0, Outage())

    with pytest.raises(GatewayError, match="sealed under another master key"):
        await credentials.authorization_of(ONE, "")
    text = f"old\n{new}"

    assert await credentials.authorization_of(ONE, "") == b"Bearer secret"
