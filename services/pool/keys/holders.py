"""The processes that have master keys: each says so with its pings, a second apart at most."""

import time
from collections.abc import Callable
from typing import NamedTuple

from contracts.base import Ping
from contracts.pool import KeyHolder
from runtime.secrets import Sealer

HEARD_S = 30.0
"""Who is silent for longer counts as gone: a ping is due every second."""
LISTENED_MIN_S = 5.0
"""For how long a leader listens before it believes that it has heard everybody."""
_HOLDERS_MAX = 10_000
_SERVICES = frozenset({"gateway", "pool"})


class _Heard(NamedTuple):
    """What a process said last."""

    key_ids: list[str]
    at: float


class KeyHolders:
    """Who has which keys, as this leader has heard."""

    def __init__(
        self, own: str, sealer: Sealer, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`own` names this process, which has what its sealer has; `monotonic` tells seconds."""
        self._own = own
        self._sealer = sealer
        self._monotonic = monotonic
        self.begin_term()

    def begin_term(self) -> None:
        """Forget what was heard in a term before, and begin to listen."""
        self._heard: dict[str, _Heard] = {}
        self._since = self._monotonic()

    @property
    def listened_s(self) -> float:
        """For how long this leader has listened."""
        return self._monotonic() - self._since

    def note_ping(self, ping: Ping, reply_to: str) -> None:
        """Take in a ping; one of an earlier version is known by the inbox it is answered in."""
        inbox = reply_to.split(".")
        service = inbox[0].removeprefix("_INBOX_")
        if not ping.process and service not in _SERVICES:
            return
        name = ping.process or f"a {service} of an earlier version ({''.join(inbox[1:2])})"
        if name in self._heard or len(self._heard) < _HOLDERS_MAX:
            self._heard[name] = _Heard(ping.key_ids, self._monotonic())

    def list_holders(self) -> list[KeyHolder]:
        """Everybody heard of within `HEARD_S`, this process first."""
        now = self._monotonic()
        self._heard = {
            name: heard for name, heard in self._heard.items() if now - heard.at <= HEARD_S
        }
        others = [
            KeyHolder(process=name, key_ids=heard.key_ids, heard_s=round(now - heard.at, 3))
            for name, heard in sorted(self._heard.items())
            if name != self._own
        ]
        return [KeyHolder(process=self._own, key_ids=self._sealer.key_ids), *others]

    def all_seal_under(self, key_id: str) -> bool:
        """Whether everybody has surely been heard of, and seals under this key."""
        return self.listened_s >= LISTENED_MIN_S and all(
            holder.key_ids[:1] == [key_id] for holder in self.list_holders()
        )
