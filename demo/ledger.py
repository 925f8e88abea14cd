"""What each credential was served, counted by the server itself and not by Tidegate.

One JSON line for each generation request, written before its answer: what a killed process has
answered stands in the file. `units` is 0 where the work was refused.
"""

import os
from collections import Counter, defaultdict
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

REGIONS = ("us-", "hk-", "jp-", "sg-")


class WrongLedgerError(Exception):
    """A file that is named as a ledger and is none."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One generation request; `day` is the day of its arrival."""

    at: datetime
    day: str
    credential: str
    service: str
    units: int
    request: str = ""
    why: str = ""
    """Why it was refused."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)


@lru_cache(maxsize=65_536)
def credential_hash(authorization: str) -> str:
    """Name a credential by its hash: the scheme and a region prefix are not part of it."""
    credential = authorization.removeprefix("Bearer ").strip()
    if not credential:
        return ""
    if credential.startswith(REGIONS):
        credential = credential[3:]
    return sha256(credential.encode()).hexdigest()[:16]


class DemoLedger:
    """The counts, and the file they are folded from."""

    def __init__(self, path: Path | None = None) -> None:
        self._file: int | None = None
        self.days: defaultdict[str, defaultdict[str, Counter[str]]] = defaultdict(
            lambda: defaultdict(Counter)
        )
        self.requests: Counter[str] = Counter()
        """How often the work of a request id was accepted."""
        self.arrivals = 0
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._reload_file(path)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add_entry(self, entry: Entry) -> None:
        """Count one request, in the file first."""
        if self._file is not None:
            os.write(self._file, _encoder.encode(entry) + b"\n")
        self._fold_entry(entry)

    def units_used(self, day: str, credential: str, service: str) -> int:
        """Units served."""
        return self.days[day][credential][service] if day in self.days else 0

    def as_summary(self) -> dict[str, Any]:
        """Everything, as `GET /demo/ledger` answers it."""
        return {"days": self.days, "requests": self.requests, "arrivals": self.arrivals}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _fold_entry(self, entry: Entry) -> None:
        self.arrivals += 1
        if entry.units:
            self.days[entry.day][entry.credential][entry.service] += entry.units
            if entry.request:
                self.requests[entry.request] += 1

    def _reload_file(self, path: Path) -> None:
        """Fold the file; a torn last line, of an answer never given, is cut off.

        Raises `WrongLedgerError`, and leaves the file as it is, when another line is none of ours.
        """
        if not path.exists():
            return
        whole = 0
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n") and line.startswith(b"{"):
                    break
                try:
                    self._fold_entry(_decoder.decode(line))
                except msgspec.DecodeError as error:
                    message = f"{path}, line {number}: expected a line of a ledger ({error})"
                    raise WrongLedgerError(message) from None
                whole += len(line)
        os.truncate(path, whole)
