"""A request body on its way, while its answer may come at any moment."""

import asyncio
from time import monotonic

from services.gateway.domain.failure import Failure
from services.gateway.transport.answer import ServerAnswer
from services.gateway.transport.connection import ServerConnection
from services.gateway.transport.failures import MaybeSentError
from services.gateway.transport.framing import Outgoing


async def upload_body(
    connection: ServerConnection,
    answer: ServerAnswer,
    out: Outgoing,
    idle_s: float | None,
    first_byte_s: float | None,
) -> float | None:
    """Send the body until it ends or the answer begins, whichever is first.

    Returns `time.monotonic()` of the body's end; None for an answer that began before: it stops
    the upload, and its connection is not used again. Raises what the body raises.
    """
    task = asyncio.create_task(_send_body(connection, answer, out, idle_s, first_byte_s))
    try:
        await answer.begun
        if task.done():
            return None if task.cancelled() else task.result()
        task.cancel()
        # It takes from the client's body until it has ended, and another attempt may want that.
        await asyncio.wait((task,))
    except BaseException:
        task.cancel()
        raise
    return None


async def _send_body(
    connection: ServerConnection,
    answer: ServerAnswer,
    out: Outgoing,
    idle_s: float | None,
    first_byte_s: float | None,
) -> float | None:
    """Send the body, and give up the answer where that fails; see `upload_body`."""
    try:
        await _send_pieces(connection, out, idle_s)
    except asyncio.CancelledError:
        if not answer.begun.done():
            connection.fail_with(MaybeSentError(Failure.BODY, "the request body was given up"))
        raise
    except Exception as error:  # noqa: BLE001 (it is raised where the answer is awaited)
        if not answer.begun.done():
            connection.fail_with(error)
    else:
        if not answer.begun.done():
            connection.expect_within(first_byte_s)
        return monotonic()
    return None


async def _send_pieces(connection: ServerConnection, out: Outgoing, idle_s: float | None) -> None:
    """Write the body piece by piece, framed as the head has promised."""
    if out.stream is None:
        return
    left = out.length
    async for piece in out.stream:
        if not piece:
            continue  # an empty chunk would end a chunked body
        if left is None:
            connection.write_bytes(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            left -= len(piece)
            if left < 0:
                raise MaybeSentError(Failure.BODY, "longer than its Content-Length")
            connection.write_bytes(piece)
            # With its last byte the server may answer, before this waits and comes back.
            connection.uploaded = left == 0
        await connection.drain_within(idle_s)
    if left:
        raise MaybeSentError(Failure.BODY, f"{left} bytes shorter than its Content-Length")
    if left is None:
        connection.write_bytes(b"0\r\n\r\n")
    connection.uploaded = True
