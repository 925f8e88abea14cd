"""A configuration that is taken up while a body comes: the call goes by the new one, all of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from nats.aio.client import Client as Nats

from contracts.base import KeyId, ServiceType
from contracts.gateway import KeyBounds
from runtime.settings import SettingsError
from services.gateway import app
from services.gateway.clients.answers import Client
from services.gateway.clients.keys import Key, KeyScope
from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Bounds, Upload
from tests.integration.gateway.bench import IMAGES, front

pytestmark = pytest.mark.anyio

SCOPE: dict[str, Any] = {"method": "POST", "path": "/v1/songs", "query_string": b"", "headers": []}
KEY = Key(key_id=KeyId("key_1"), name="one", scope=KeyScope.CLIENT, bounds=KeyBounds(), hash="")
SONG = ServiceType("song")


async def test_service_type_that_is_removed_while_a_body_comes_is_not_found(
    nats_client: Nats, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        gateway = gate.gateway
        services = gateway.settings.services

        async def body() -> AsyncIterator[bytes]:
            left = {name: services[name] for name in services if name != "image"}
            yield b'{"model": '
            await asyncio.sleep(0.1)
            gateway.apply_settings(replace(gateway.settings, services=left))
            yield b'"m"}'

        headers = {"Authorization": f"Bearer {gate.key}", "Content-Type": "application/json"}
        answer = await gate.http.post(IMAGES, content=body(), headers=headers)

    assert answer.status_code == 404
    assert answer.json()["error"]["message"].endswith(f"the path {IMAGES} any more")


async def test_service_type_that_is_added_while_a_body_comes_is_routed_to(
    nats_client: Nats, nats_url: str, tmp_path: Path
) -> None:
    async with front(nats_client, nats_url, tmp_path) as gate:
        gateway = gate.gateway
        image = gateway.settings.services[ServiceType("image")]
        song = replace(image, paths=["/v1/songs"])

        async def receive() -> dict[str, Any]:
            services = {**gateway.settings.services, SONG: song}
            gateway.apply_settings(replace(gateway.settings, services=services))
            return {"type": "http.request", "body": b"{}", "more_body": False}

        async def send(_: dict[str, Any]) -> None:
            raise AssertionError("nothing is answered yet")

        client = Client(send, lambda: None)
        upload = Upload(receive, None, Bounds(1_000_000, 1_000_000, gateway.spool))
        routed = await gateway.door._route_request(Request(SCOPE), KEY, upload, client)
        upload.close()

    assert routed.service_type == client.summary().service_type == SONG


async def test_a_configuration_that_stays_wrong_is_told_once(
    nats_client: Nats, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    faults = iter(["no file", "no file", "not TOML", "not TOML", "no file"])

    def load() -> app.Settings:
        raise SettingsError(next(faults))

    monkeypatch.setattr(app, "_RELOAD_EVERY_S", 0.0)
    async with front(nats_client, nats_url, tmp_path) as gate:
        log = SimpleNamespace(warning=lambda _, reason: told.append(reason))
        monkeypatch.setattr(gate.gateway, "log", log)

        with pytest.raises(RuntimeError):  # the looks are over
            await gate.gateway.reload_settings(load)
        monkeypatch.undo()

    assert told == ["no file", "not TOML", "no file"]
