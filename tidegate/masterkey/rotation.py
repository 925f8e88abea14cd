"""A rotation, step after step: each is looked for anew in the key file and at the pool's leader."""

import time
from collections.abc import Callable
from typing import Any

import msgspec

from contracts.pool import KeysReply
from runtime.secrets import key_id_of, new_key
from runtime.texts import count_phrase
from tidegate.console import api
from tidegate.console.errors import (
    CommandError,
    GatewayAbsentError,
    GatewayRefusedError,
    GatewayUnableError,
)
from tidegate.masterkey.keyfile import KeyFile
from tidegate.masterkey.steps import (
    AddKey,
    AwaitEnd,
    AwaitKey,
    BeginRotation,
    DropKeys,
    NoWay,
    PromoteKey,
    Step,
    next_step,
)

_LOOK_EVERY_S = 0.5


class RotationRun:
    """One run of the verb; `tell` is told every step."""

    def __init__(self, file: KeyFile, wait_s: float, tell: Callable[[str], None]) -> None:
        """Wait `wait_s` for anything that does not get on."""
        self.key_id = ""
        """The key that seals in the end."""
        self._file = file
        self._wait_s = wait_s
        self._tell = tell
        self._added: str | None = None
        self._answered = False
        self._stands: object = None
        """What was waited for last, and how far it was."""
        self._since = time.monotonic()

    def rotate(self) -> None:
        """Go on until the old keys have left the file. Raises `CommandError`."""
        with self._file.hold():
            while not self._take_step():
                pass

    def _take_step(self) -> bool:
        """Do what is next; true when it was the last."""
        keys = self._file.read_keys()
        # Copies that a killed run has left behind, or another hand has put back.
        self._file.write_keys(keys)
        try:
            told = ask_keys()
        except (GatewayAbsentError, GatewayUnableError) as error:
            # A pool that was killed is back in a second, a gateway in ten; what was begun stands.
            if not self._answered and isinstance(error, GatewayAbsentError):
                raise
            self._wait_for("an answer", f"no answer yet: {error}", str(error))
            return False
        self._answered = True
        step = next_step(
            [*map(key_id_of, keys)], told, self._file.whole_id(), self._file.strange_ids()
        )
        match step:
            case AddKey():
                self._add_key(keys)
            case BeginRotation():
                self._begin(keys, step.key_id)
            case PromoteKey():
                self._tell(f"everybody has the key {step.key_id}: it seals from here on")
                self._file.write_keys(_with_first(keys, step.key_id))
            case DropKeys():
                self._file.write_keys(keys[:1])
                self.key_id = step.key_id
                return True
            case AwaitKey() | AwaitEnd():
                self._wait_for(step, *_waiting_words(step))
            case NoWay():
                raise CommandError(step.reason)
        return False

    def _add_key(self, keys: list[str]) -> None:
        """Put a new key second."""
        ids = [*map(key_id_of, keys)]
        key = new_key()
        while key_id_of(key) in ids:
            key = new_key()
        self._added = key_id_of(key)
        self._file.write_keys([keys[0], key, *keys[1:]])
        self._tell(f"the key {self._added} is in {self._file.path}, and opens")

    def _begin(self, keys: list[str], key_id: str) -> None:
        """Have the log say so; a key that the pool does not take leaves the file again."""
        try:
            api.post("/api/secrets/rotate", {"key_id": key_id})
        except GatewayRefusedError:
            if key_id == self._added:
                self._file.write_keys([key for key in keys if key_id_of(key) != key_id])
            raise
        except (GatewayAbsentError, GatewayUnableError) as error:
            # Whether it is in the log is seen by the next look.
            self._wait_for("the beginning", f"no answer yet: {error}", str(error))
        else:
            self._tell(f"the rotation to the key {key_id} has begun")

    def _wait_for(self, stands: "Step | str", progress: str, trouble: str) -> None:
        """Wait a moment; no longer than `wait_s` for what does not get on.

        Raises `CommandError`.
        """
        if stands != self._stands:
            self._stands, self._since = stands, time.monotonic()
            self._tell(progress)
        elif time.monotonic() > self._since + self._wait_s:
            raise CommandError(
                f"{trouble}. Nothing is lost; say it again, and it goes on from there"
            )
        time.sleep(_LOOK_EVERY_S)


def ask_keys() -> KeysReply:
    """Ask the pool, by a gateway. Raises `CommandError`."""
    answer: Any = api.get("/api/secrets")
    try:
        return msgspec.convert({**answer, "type": "keys_reply"}, KeysReply)
    except (TypeError, msgspec.ValidationError) as error:
        raise CommandError(f"expected a gateway of this version ({error})") from None


def _with_first(keys: list[str], key_id: str) -> list[str]:
    first = [key for key in keys if key_id_of(key) == key_id]
    return [*first, *(key for key in keys if key not in first)]


def _waiting_words(step: AwaitKey | AwaitEnd) -> tuple[str, str]:
    """Say what is waited for, and what is wrong when it does not come."""
    names, key_id = ", ".join(step.lacking), step.key_id
    if isinstance(step, AwaitKey):
        if not names:
            return (
                f"listening whether everybody has the key {key_id}",
                "the pool's leader has changed again and again, and has not heard everybody",
            )
        return (
            f"waiting for {names} to read the key {key_id}",
            f"these lack the key {key_id}: {names}. Give them the key file as it is now",
        )
    count = count_phrase(step.sealed, "credential is", "credentials are")
    sealed = f"{count} sealed under the key {key_id}"
    if not names:
        return sealed, f"{sealed}, and the pool does not get on: its log says why"
    return (
        f"{sealed}; waiting for {names} to seal under it",
        f"{sealed}, but these seal under another: {names}. Give them the key file as it is now",
    )
