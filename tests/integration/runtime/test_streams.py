"""The streams beside a NATS that cannot keep them: what it lacks is said by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nats
import pytest

from runtime.nats import natsserver, streams

pytestmark = pytest.mark.anyio


@contextmanager
def nats_with(folder: Path, lines: str) -> Iterator[str]:
    """A nats-server with these lines in its configuration; its address."""
    port = natsserver.free_port()
    config = folder / "server.conf"
    config.write_text(f'host: "127.0.0.1"\nport: {port}\n{lines}\n')
    process = natsserver.start_server(config, folder / "nats.log", port)
    try:
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


async def reason_without_streams(url: str) -> str:
    """Why no streams are made there."""
    client = await nats.connect(url)
    try:
        with pytest.raises(streams.MigrationError) as refused:
            await streams.migrate_streams(client, 200_000_000)
    finally:
        await client.close()
    return str(refused.value)


async def test_too_little_storage_is_named_with_both_cures(tmp_path: Path) -> None:
    store = f'jetstream {{ store_dir: "{tmp_path}/store", max_file_store: 100MB }}'
    with nats_with(tmp_path, store) as url:
        message = await reason_without_streams(url)

    assert message.startswith(
        "log.max_bytes: NATS has no room for the stream EVT of up to 200,000,000 bytes ("
    )
    assert "expected less ([log] max_bytes), or more storage there (max_file_store" in message


async def test_server_without_jetstream_is_named(tmp_path: Path) -> None:
    with nats_with(tmp_path, "") as url:
        message = await reason_without_streams(url)

    assert message.startswith("TIDEGATE_NATS_URL: expected a NATS with JetStream, which keeps")
