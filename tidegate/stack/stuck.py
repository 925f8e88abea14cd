"""A nats-server whose disk was full keeps the error until it is started again (ADR 26).

It answers everything but writes; only its `/healthz` tells. It is started again as soon as the
disk has room, and at most once a minute: an error that comes back is not cured by it.
"""

import asyncio
from pathlib import Path

from runtime.nats import natsserver, streams
from runtime.process.logs import Log
from tidegate.stack.supervisor import ChildProcess, Supervisor, unready_reason

_LOOK_EVERY_S = 5.0
_APART_S = 60.0
_END_S = 20.0


async def restart_stuck(supervisor: Supervisor, child: ChildProcess, store: Path, log: Log) -> None:
    """Look for ever whether this nats-server is stuck; say so, and start it again."""
    clock = asyncio.get_running_loop().time
    again_at = clock()
    waits = ""
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        why = await asyncio.to_thread(unready_reason, child)
        if why is None or natsserver.STUCK not in why:
            waits = ""
            continue
        free = streams.free_bytes(store)
        now_waits = "disk" if free < natsserver.ROOM_BYTES else "time" if clock() < again_at else ""
        if now_waits != waits or not now_waits:
            log.error("nats_stuck", reason=why, free_bytes=free, waits_for=now_waits or "nothing")
        waits = now_waits
        if not waits:
            again_at = clock() + _APART_S
            await supervisor.restart_child(child.name, _END_S)
