"""A success on its way to the client, watched for the credential that its server was sent."""

import asyncio

from services.gateway.clients.answers import Client
from services.gateway.domain import failure_error
from services.gateway.domain.answers.concealing import Watch
from services.gateway.domain.answers.expanding import Expansion, UnexpandableError
from services.gateway.domain.errors import GatewayError
from services.gateway.transport import ServerAnswer, TransportFailure

_ECHO = "the backend's answer repeats the credential that it was sent: it is cut off before it"
_GARBLED = "the backend's answer does not decompress: it is cut off where that shows"


async def stream_watched(
    client: Client, begun: bytes, answer: ServerAnswer, watch: Watch, expansion: Expansion | None
) -> GatewayError | None:
    """Stream a success to the client; says what cut it, if it did not come to its end.

    What the server compressed is passed on as it reads.
    """
    try:
        if begun:
            await _pass_chunk(client, begun, watch, expansion)
        while not watch.found:
            chunk = await anext(answer, None)
            if chunk is None:
                if expansion is not None:
                    expansion.finish()
                await client.send_body(watch.take_rest(), more=False)
                return None
            await _pass_chunk(client, chunk, watch, expansion)
        error = GatewayError("upstream_outcome_unknown", _ECHO)
    except UnexpandableError:
        error = GatewayError("upstream_outcome_unknown", _GARBLED)
    except TransportFailure as failure:
        error = failure_error(failure.failure, sent=True)
    await client.break_off(error)
    return error


async def _pass_chunk(
    client: Client, chunk: bytes, watch: Watch, expansion: Expansion | None
) -> None:
    if expansion is None:
        await _send_nonempty(client, watch.take_chunk(chunk))
        return
    for piece in expansion.expand_chunk(chunk):
        await _send_nonempty(client, watch.take_chunk(piece))
        if watch.found:
            return
        await asyncio.sleep(0)  # a few bytes may become many, and others have their turn


async def _send_nonempty(client: Client, chunk: bytes) -> None:
    if chunk:
        await client.send_body(chunk, more=True)
