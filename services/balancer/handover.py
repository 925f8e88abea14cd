"""What one leader hands to the next: the newest memory, in a bucket beside the log, no event.

Whoever writes puts it behind the revision that was read last, so that of two the later leader's
stays. Without the bucket, as in a home that was not migrated since, nothing is handed on and the
balancer goes on as if nothing was known.
"""

import asyncio

import msgspec
from nats.aio.client import Client

from contracts.base import Instant
from contracts.subjects import STANDING_STREAM, STANDING_SUBJECT
from runtime.eventlog import EventLog, FenceError, LogError, LogUnavailableError
from runtime.process.logs import Log
from services.balancer.domain import Balancer, lighten_memory, memory_of, recall
from services.balancer.domain.memory import BalancerMemory
from services.balancer.store import BalancerJournal

_HAND_ON_EVERY_S = 10.0
_READ_BACK_S = 60.0
"""What the leader before saw no longer than this ago is read again, behind open doors."""
_HEAD_BYTES = 1024
"""What a message's head may take of what NATS lets it weigh."""
_decoder = msgspec.json.Decoder(BalancerMemory)


class Handover:
    """The bucket's one value."""

    def __init__(self, client: Client, logger: Log) -> None:
        """Nothing is read yet."""
        self._client = client
        self._bucket = EventLog(client, STANDING_STREAM)
        self._logger = logger
        self._revision = 0

    async def take_over(self, balancer: Balancer, end: int, now: Instant) -> int:
        """Know what the leader before knew; return behind which sequence to read on.

        `end` is the last sequence of the log; what was seen long ago is not read again.
        """
        memory = await self._load_memory()
        if memory is None or memory.sequence > end:
            return end
        recall(balancer, memory)
        age_s = (now - memory.taken_at).total_seconds()
        return memory.sequence if age_s <= _READ_BACK_S else end

    async def keep_handing_on(self, balancer: Balancer, journal: BalancerJournal) -> None:
        """Leave what is known for the next leader, whenever the log went on, for ever."""
        kept = 0
        while True:
            await asyncio.sleep(_HAND_ON_EVERY_S)
            sequence = journal.read_upto
            if sequence == kept:
                continue
            if await self._save_memory(memory_of(balancer, sequence, journal.log_now())):
                kept = sequence

    async def _load_memory(self) -> BalancerMemory | None:
        """Read what the leader before left; None when there is nothing, or it cannot be read."""
        try:
            stored = await self._bucket.last_stored(STANDING_SUBJECT)
        except LogUnavailableError as error:
            self._logger.warning("standing_unreadable", reason=str(error))
            return None
        if stored is None:
            return None
        self._revision = stored.sequence
        try:
            return _decoder.decode(stored.body)
        except msgspec.DecodeError as error:  # of a version that writes it otherwise
            self._logger.warning("standing_unreadable", reason=str(error))
            return None

    async def _save_memory(self, memory: BalancerMemory) -> bool:
        """Leave it for the next leader; whether it is known to lie there."""
        body = self._encode_fitting(memory)
        if body is None:
            return False
        try:
            self._revision = await self._bucket.append_after(STANDING_SUBJECT, body, self._revision)
        except FenceError:
            await self._find_revision()
            return False
        except LogError as error:
            # Stored or not where nobody acknowledged it: the fence tells, at the next time.
            self._logger.warning("standing_not_kept", reason=str(error))
            return False
        return True

    def _encode_fitting(self, memory: BalancerMemory) -> bytes | None:
        """Write it as small as NATS wants it, of a large fleet without all its times."""
        bytes_max = self._client.max_payload - _HEAD_BYTES
        fitting: BalancerMemory | None = memory
        while fitting is not None:
            body = msgspec.json.encode(fitting)
            if len(body) <= bytes_max:
                return body
            fitting = lighten_memory(fitting)
        reason = f"it is {len(body):,} bytes, more than the {bytes_max:,} that NATS takes at once"
        self._logger.warning("standing_not_kept", reason=reason)
        return None

    async def _find_revision(self) -> None:
        """Look what is stored: a late one of ours, or a later leader's, which stays."""
        try:
            stored = await self._bucket.last_stored(STANDING_SUBJECT)
        except LogUnavailableError as error:
            self._logger.warning("standing_not_kept", reason=str(error))
            return
        self._revision = 0 if stored is None else stored.sequence
