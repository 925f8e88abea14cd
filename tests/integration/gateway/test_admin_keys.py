"""Client keys administered: shown once, changed, rotated, revoked."""

import pytest
from nats.aio.client import Client

from tests.integration.gateway.doors import Desk, desk

pytestmark = pytest.mark.anyio


async def test_full_or_unreachable_log_refuses_a_key(nats_client: Client) -> None:
    async with desk(nats_client) as made:
        await nats_client.request("$JS.API.STREAM.DELETE.EVT", b"")

        error = await made.refused("POST", "/api/keys", 503, json={"name": "x"})

    assert error["code"] == "ledger_unavailable"


async def test_key_is_shown_once_opens_changes_rotates_and_is_revoked(alone: Desk) -> None:
    wanted = {"name": "shop", "requests_per_minute": 60, "concurrency": 4, "models": ["jimeng-*"]}
    made = await alone.ask("POST", "/api/keys", 201, json=wanted)
    text = made.pop("key")

    assert text.startswith("sk-")
    assert wanted.items() <= made.items()
    listed = await alone.ask("GET", "/api/keys")
    assert made.items() <= listed["data"][-1].items()
    assert text not in str(listed)
    ring = alone.doors.key_log.ring
    found = ring.find_key(text)
    assert found is not None
    assert found.bounds.models == ["jimeng-*"]

    path = f"/api/keys/{made['id']}"
    changed = await alone.ask("PATCH", path, json={"name": "store", "concurrency": 0})
    assert changed == {**made, "name": "store", "concurrency": 0}

    rotated = await alone.ask("POST", f"{path}/rotate")
    assert ring.find_key(text) is None
    assert ring.find_key(rotated["key"])

    revoked = await alone.ask("DELETE", path)
    assert revoked["revoked"]
    assert ring.find_key(rotated["key"]) is None
    assert await alone.ask("DELETE", path) == revoked
    error = await alone.refused("POST", f"{path}/rotate", 400)
    assert "revoked" in error["message"]
    await alone.refused("PATCH", path, 400, json={"name": "again"})


async def test_keys_are_listed_page_by_page(alone: Desk) -> None:
    for name in ("a", "b", "c"):
        await alone.ask("POST", "/api/keys", 201, json={"name": name})

    whole = await alone.ask("GET", "/api/keys")
    first = await alone.ask("GET", "/api/keys?limit=3")
    rest = await alone.ask("GET", f"/api/keys?limit=3&cursor={first['next']}")
    error = await alone.refused("GET", "/api/keys?cursor=x", 400)

    assert [one["id"] for one in first["data"] + rest["data"]] == [
        one["id"] for one in whole["data"]
    ]
    assert (len(first["data"]), rest["next"], whole["next"]) == (3, "", "")
    assert error["param"] == "cursor"


async def test_weight_of_a_key_is_given_and_changed(alone: Desk) -> None:
    made = await alone.ask("POST", "/api/keys", 201, json={"name": "shop", "weight": 2})
    path = f"/api/keys/{made['id']}"

    changed = await alone.ask("PATCH", path, json={"weight": 3})
    refused = await alone.refused("PATCH", path, 400, json={"weight": 0})

    assert (made["weight"], changed["weight"]) == (2, 3)
    assert "weight" in refused["message"]


async def test_unknown_key_is_404(alone: Desk) -> None:
    for method, path in (
        ("DELETE", "/api/keys/key_x"),
        ("POST", "/api/keys/key_x/rotate"),
        ("PATCH", "/api/keys/key_x"),
    ):
        body = {"json": {"name": "x"}} if method == "PATCH" else {}
        assert (await alone.refused(method, path, 404, **body))["code"] == "not_found"


async def test_last_admin_key_cannot_be_revoked(alone: Desk) -> None:
    (root, _) = (await alone.ask("GET", "/api/keys"))["data"]

    error = await alone.refused("DELETE", f"/api/keys/{root['id']}", 400)

    assert "last admin key" in error["message"]
    await alone.ask("GET", "/api/keys")
