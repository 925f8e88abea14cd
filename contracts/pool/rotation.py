"""The rotation of the master key: its events, and what is asked and told of keys.

A key is named by its id, the eight hex digits that stand before each ciphertext sealed under it;
its text is in no message.
"""

from contracts.base import Command, Count, Event, Instant, Part, Reply


class KeyRotationBegan(Event, frozen=True, kw_only=True, tag="key_rotation_began"):
    """Credentials are to be sealed under the key `key_id`; `previous_id` sealed before."""

    key_id: str
    previous_id: str = ""
    by: str = ""


class KeyRotationEnded(Event, frozen=True, kw_only=True, tag="key_rotation_ended"):
    """Nothing is sealed under another key than `key_id` any more: the others may be dropped."""

    key_id: str
    sealed: Count = 0
    """Ciphertexts under it."""
    closed: Count = 0
    """Ciphertexts that no key opens: of another master key, or damaged. They stay as they are."""


class KeyRotation(Part, frozen=True, kw_only=True):
    """The last rotation that began; without `ended_at` it is under way."""

    key_id: str
    previous_id: str = ""
    began_at: Instant
    by: str = ""
    ended_at: Instant | None = None


class KeyHolder(Part, frozen=True, kw_only=True):
    """A process that has master keys, as it said itself; the first of `key_ids` seals."""

    process: str
    key_ids: list[str]
    """Empty: one of an earlier version, which does not say."""
    heard_s: float = 0.0
    """Seconds since it said so."""


class AskKeys(Command, frozen=True, kw_only=True, tag="ask_keys"):
    """Ask which master keys there are, who has them, and what is sealed under which."""


class KeysReply(Reply, frozen=True, kw_only=True, tag="keys_reply"):
    """The keys of the pool's leader, the bucket of credentials by key, and the last rotation."""

    key_ids: list[str]
    """Of the leader's key file; the first seals."""
    ciphertexts: dict[str, Count]
    """How many there are under each key."""
    holders: list[KeyHolder]
    """Every gateway and pool process heard of within half a minute, the leader among them."""
    listened_s: float
    """For how long this leader has listened to them."""
    rotation: KeyRotation | None = None
    sequence: Count = 0
    """Up to where in the log this is true; 0 of an earlier version, which does not say it."""


class RotateKey(Command, frozen=True, kw_only=True, tag="rotate_key"):
    """Begin to seal under the key `key_id`, which the leader's key file must have."""

    key_id: str
    by: str
