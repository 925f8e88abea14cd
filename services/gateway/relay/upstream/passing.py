"""A success on its way to the client, watched for the credential that its server was sent."""

from services.gateway.clients.answers import Client
from services.gateway.domain import failure_error
from services.gateway.domain.answers.concealing import Watch
from services.gateway.domain.errors import GatewayError
from services.gateway.transport import Answer, TransportFailure

_ECHO = "the backend's answer repeats the credential that it was sent: it is cut off before it"


async def stream_watched(
    client: Client, begun: bytes, answer: Answer, watch: Watch
) -> GatewayError | None:
    """Stream a success to the client; says what cut it, if it did not come to its end."""
    try:
        if begun:
            await _send_nonempty(client, watch.take_chunk(begun))
        while not watch.found:
            chunk = await anext(answer, None)
            if chunk is None:
                await client.send_body(watch.take_rest(), more=False)
                return None
            await _send_nonempty(client, watch.take_chunk(chunk))
        error = GatewayError("upstream_outcome_unknown", _ECHO)
    except TransportFailure as failure:
        error = failure_error(failure.failure, sent=True)
    await client.break_off(error)
    return error


async def _send_nonempty(client: Client, chunk: bytes) -> None:
    if chunk:
        await client.send_body(chunk, more=True)
