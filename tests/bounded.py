"""A log that may not grow: its stream refuses every write, and answers everything else."""

import json

from nats.aio.client import Client

from contracts.subjects import EVENT_STREAM


async def bound(client: Client, bytes_max: int) -> None:
    """Change how large the log may grow."""
    about = await client.request(f"$JS.API.STREAM.INFO.{EVENT_STREAM}", b"", timeout=5)
    config = json.loads(about.data)["config"] | {"max_bytes": bytes_max}
    subject = f"$JS.API.STREAM.UPDATE.{EVENT_STREAM}"
    answer = await client.request(subject, json.dumps(config).encode(), timeout=5)
    assert "error" not in json.loads(answer.data)
