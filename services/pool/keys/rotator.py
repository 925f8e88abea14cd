"""The leader's part in a rotation of the master key: it re-seals, and says when all is done."""

import asyncio

from contracts.base import Failed
from contracts.pool import KeyRotation, KeysReply, RotateKey
from runtime.process.logs import Log
from services.pool.bucket import CredentialsUnavailableError
from services.pool.commits.batches import ROTATION, CommandBatch
from services.pool.commits.committer import Committer
from services.pool.domain import RotationDone, RotationWanted
from services.pool.keys.holders import KeyHolders
from services.pool.store import CredentialStore, PoolLedger

_LOOK_EVERY_S = 0.5


class KeyRotator:
    """Goes on with the rotation that the log has begun, whoever began it."""

    def __init__(
        self,
        ledger: PoolLedger,
        credentials: CredentialStore,
        committer: Committer,
        holders: KeyHolders,
        *,
        logger: Log,
    ) -> None:
        """Nothing is done before `run`."""
        self.holders = holders
        self._ledger = ledger
        self._credentials = credentials
        self._committer = committer
        self._logger = logger
        self._resealed = ""
        """The key that everything has been brought under, but for what came since."""

    async def run(self) -> None:
        """Look, for as long as this process leads, whether there is something to go on with."""
        self.holders.begin_term()
        self._resealed = ""
        while True:
            rotation = self._ledger.state.rotation
            if rotation is not None and rotation.ended_at is None:
                try:
                    await self._go_on(rotation)
                except CredentialsUnavailableError as error:
                    self._logger.warning("credentials_unavailable", reason=str(error))
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _go_on(self, rotation: KeyRotation) -> None:
        """Re-seal once the key seals here; end the rotation once nobody seals under another."""
        key_id, sealer = rotation.key_id, self._credentials.sealer
        sealer.refresh()
        if sealer.key_ids[0] != key_id:
            return
        everybody = self.holders.all_seal_under(key_id)
        if self._resealed == key_id and not everybody:
            return
        resealed = await self._credentials.reseal_others()
        if resealed.changed:
            self._logger.info("credentials_resealed", key_id=key_id, count=resealed.changed)
        self._resealed = key_id
        # A leader that was may have sealed some of them anew.
        await self._credentials.catch_up()
        counts = self._credentials.count_by_key()
        others = sum(counts.values()) - counts.get(key_id, 0)
        # A look may come from a server that is behind: what was stored from here counts as well.
        if not everybody or resealed.changed or others > resealed.closed:
            return
        done = RotationDone(key_id, counts.get(key_id, 0), resealed.closed)
        answer = await self._committer.submit_own(CommandBatch(ROTATION, [done]))
        if not isinstance(answer, Failed):
            self._logger.info("key_rotation_ended", key_id=key_id, closed=resealed.closed)

    async def describe_keys(self) -> KeysReply:
        """Say which keys there are, who has them, and what is sealed under which.

        Raises `CredentialsUnavailableError`.
        """
        self._credentials.sealer.refresh()
        await self._credentials.catch_up()
        return KeysReply(
            key_ids=self._credentials.sealer.key_ids,
            ciphertexts=self._credentials.count_by_key(),
            holders=self.holders.list_holders(),
            listened_s=round(self.holders.listened_s, 3),
            rotation=self._ledger.state.rotation,
            sequence=self._committer.sequence,
        )

    async def consider_rotation(self, command: RotateKey) -> RotationWanted | Failed:
        """Look whether a rotation can begin here, before it is decided.

        Raises `CredentialsUnavailableError`.
        """
        keys = await self.describe_keys()
        before = keys.rotation
        is_same = before is not None and (before.key_id, before.ended_at) == (command.key_id, None)
        if command.key_id not in keys.key_ids and not is_same:
            message = (
                f"key_id: expected a key of the pool's key file ({', '.join(keys.key_ids)}),"
                f" got {command.key_id}"
            )
            return Failed(code="bad_request", message=message)
        is_lost = (
            before is not None
            and before.key_id not in keys.key_ids
            and before.key_id not in keys.ciphertexts
        )
        return RotationWanted(command, keys.key_ids[0], is_lost)
