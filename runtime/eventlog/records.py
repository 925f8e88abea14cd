"""Events of the log as people and programs are shown them: one flat record each, and filters.

Pure: `GET /api/events`, its stream and `tidegate tail` say the same of one event.
"""

import json
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from contracts import envelope
from contracts.events import AnyEvent, UnknownEvent, event_tags
from runtime.eventlog.words import Stored

UNREADABLE = "unreadable_envelope"
"""The type of what stands for an envelope that this version cannot read."""
_HIDDEN = frozenset({"key_hash"})


def records_of(stored: Stored) -> Iterator[dict[str, Any]]:
    """Yield each event of an envelope: its id, time and subject, then its type and fields.

    The hash of a key is left out.
    """
    try:
        read = envelope.decode_envelope(stored.body)
    except msgspec.DecodeError as error:
        yield {
            "event": f"{stored.sequence}.0",
            "time": _short_instant(stored.time.isoformat()),
            "subject": stored.subject,
            "type": UNREADABLE,
            "reason": str(error),
        }
        return
    time = _short_instant(read.time.isoformat())
    for index, event in enumerate(read.events):
        yield {
            "event": f"{stored.sequence}.{index}",
            "time": time,
            "subject": stored.subject,
            **{name: value for name, value in _event_fields(event).items() if name not in _HIDDEN},
        }


def _event_fields(event: AnyEvent | UnknownEvent) -> dict[str, Any]:
    """Show an event as it stands; one of a later version by its tag, if Python cannot read it."""
    if not isinstance(event, UnknownEvent):
        fields: dict[str, Any] = msgspec.to_builtins(event)
        return fields
    try:
        # By Python's reader: what a later version writes may be more than msgspec takes.
        fields = json.loads(event.raw)
    except (ValueError, RecursionError) as error:
        return {"type": event.tag, "reason": f"it cannot be shown: {error}"}
    return fields


def types_matching(pattern: str) -> list[str]:
    """Name the types that a pattern such as `lease_*` fits."""
    return sorted(tag for tag in event_tags() if fnmatchcase(tag, pattern))


class Wanted:
    """Which records are to be shown; a lease's later events are known by its id."""

    def __init__(
        self,
        types: Sequence[str] = (),
        session: str = "",
        request: str = "",
        server: str = "",
        key: str = "",
    ) -> None:
        """Take types, or patterns of them; an empty wish is no wish."""
        self._types = types
        self._session = session
        self._request = request
        self._server = server
        self._key = key
        self._leases: set[str] = set()
        self._requests = {request}
        self._requests_of_key: set[str] = set()

    def __call__(self, record: dict[str, Any]) -> bool:
        """Tell whether a record is wanted."""
        if self._session:
            self._note_lease(record)
            if not self._is_of_session(record):
                return False
        if self._request:
            self._note_request(record)
            if not self._is_of_request(record):
                return False
        if self._server and not _is_of_server(record, self._server):
            return False
        if self._key:
            self._note_key(record)
            if not self._is_of_key(record):
                return False
        kind = str(record.get("type", ""))
        return not self._types or any(fnmatchcase(kind, wanted) for wanted in self._types)

    def _note_lease(self, record: dict[str, Any]) -> None:
        """Know from here on that a lease is of the session."""
        if record.get("session_id", "") == self._session and (lease := record.get("lease_id")):
            self._leases.add(lease)

    def _is_of_session(self, record: dict[str, Any]) -> bool:
        """Whether it names the session, or a lease that the session was seen to have."""
        if record.get("session_id", "") == self._session:
            return True
        return record.get("lease_id", "") in self._leases

    def _note_request(self, record: dict[str, Any]) -> None:
        """Know from here on by which id of ours the client's request goes."""
        request_id = record.get("request_id", "")
        if record.get("client_request_id", "") == self._request and request_id:
            self._requests.add(request_id)

    def _is_of_request(self, record: dict[str, Any]) -> bool:
        """Whether it names the request by our id, or is of a lease that carries it."""
        return bool(_request_ids(record) & self._requests)

    def _note_key(self, record: dict[str, Any]) -> None:
        """Know from here on that a request is the key's."""
        if record.get("key_id", "") == self._key and (request_id := record.get("request_id")):
            self._requests_of_key.add(request_id)

    def _is_of_key(self, record: dict[str, Any]) -> bool:
        """Whether it names the key, or is of a request that was seen to be the key's."""
        if record.get("key_id", "") == self._key:
            return True
        return bool(_request_ids(record) & self._requests_of_key)


def _is_of_server(record: dict[str, Any], server: str) -> bool:
    """Whether it names the server, or is of something that was tried there."""
    named = record.get("server")
    of_server = named.get("server_id") if isinstance(named, dict) else named
    tried = (attempt.get("server_id") for attempt in record.get("attempts", ()))
    return server in {record.get("server_id"), of_server, *tried}


def _request_ids(record: dict[str, Any]) -> set[str]:
    """Tell by which ids of ours it names a request; none by an empty one."""
    # A lease's id is its request's, a dot, and the lease's number.
    of_lease = str(record.get("lease_id", "")).rpartition(".")[0]
    return {str(record.get("request_id", "")), of_lease} - {""}


def _short_instant(text: str) -> str:
    return text.replace("+00:00", "Z")
