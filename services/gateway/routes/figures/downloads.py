"""Files that analytics writes, fetched part by part at the pace of whoever reads them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec

from contracts.analytics import DropExport, ExportPart, ExportStarted, FetchExport, StartExport
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors

_LOOK_FIRST_S, _LOOK_LATER_S = 0.02, 0.5
"""How often to look whether a file is written: soon, then less and less often."""


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is written: nothing but the way can fail from here on."""

    doors: Doors
    export_id: str
    first: ExportPart
    size: int

    @property
    def row_count(self) -> int:
        """How many rows it has."""
        return self.first.rows

    @property
    def is_truncated(self) -> bool:
        """Whether there were more."""
        return self.first.truncated

    @property
    def as_of_sequence(self) -> int:
        """The log sequence it is true at."""
        return self.first.sequence

    async def stream_parts(self) -> AsyncIterator[bytes]:
        """Yield the file, and have it removed at the end, however that comes.

        A part that cannot be had breaks the answer off before its length: it is never taken for
        the whole.
        """
        try:
            part, done = self.first, 0
            while part.content:
                yield part.content
                done += len(part.content)
                if done >= self.size:
                    break
                part = await _fetch_part(self.doors, self.export_id, done)
            if done != self.size:
                raise GatewayError("internal_error", f"the export ends at {done} of {self.size}")
        finally:
            await _drop_export(self.doors, self.export_id)


async def start_download(doors: Doors, command: StartExport) -> Download:
    """Have a file written and wait until it is. Raises `GatewayError`."""
    begun = await doors.ask_export(ExportStarted, command)
    pause_s = _LOOK_FIRST_S
    try:
        while True:
            part = await _fetch_part(doors, begun.export_id, 0)
            if part.size is not None:
                return Download(doors=doors, export_id=begun.export_id, first=part, size=part.size)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LOOK_LATER_S)
    except BaseException:
        await _drop_export(doors, begun.export_id)
        raise


async def _fetch_part(doors: Doors, export_id: str, offset: int) -> ExportPart:
    return await doors.ask_export(ExportPart, FetchExport(export_id=export_id, offset=offset))


async def _drop_export(doors: Doors, export_id: str) -> None:
    """Have a file removed; if nobody hears it, it is forgotten in a minute."""
    with suppress(Exception):
        await doors.tell_export(DropExport(export_id=export_id))
