"""Events of the log as a person reads them: pure. What has no words here is in the file alone.

Warnings and errors always have some: their own, or the event's name with its reason.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from runtime.texts import count_phrase
from tidegate.console.moments import parsed_moment

Event = Mapping[str, Any]


class Mood(StrEnum):
    """What an event means to whoever watches."""

    PLAIN = "plain"
    GOOD = "good"
    WARNING = "warning"
    ERROR = "error"


class ShownEvent(NamedTuple):
    """A line for a person."""

    mood: Mood
    text: str


_LOUD = {"warning": Mood.WARNING, "error": Mood.ERROR, "critical": Mood.ERROR}
_REASONS = ("reason", "error", "wrong", "message", "exception")
_NOT_SAID = frozenset({"service", "pid", "event", "level", "timestamp", *_REASONS})
_IN_FORCE = frozenset({"configuration_applied", "policy_in_force"})
_NOISE = frozenset({"elected", "policy_in_force", "sessions_added", "journalled"})
"""Said of every start; a start has a block of its own."""


def event_words(event: Event, *, started: bool = True) -> ShownEvent | None:
    """Put an event into words; None for what is not worth a line.

    While it is not `started`, what every start says is not.
    """
    name = str(event.get("event", ""))
    if not started and name in _NOISE:
        return None
    loud = _LOUD.get(str(event.get("level")))
    words = _journalled_words(event) if name == "journalled" else _WORDS.get(name)
    if words is not None:
        mood, say = words
        return ShownEvent(loud or mood, say(event))
    if loud is None:
        return None
    return ShownEvent(loud, f"{event.get('service', '')}: {_plain_words(name, event)}")


def is_shown_each_time(event: Event) -> bool:
    """Tell whether the same line may come again at once: of a file that was changed once more."""
    return event.get("event") in _IN_FORCE


def _journalled_words(event: Event) -> "tuple[Mood, Say] | None":
    kind = str(event.get("type"))
    return _JOURNALLED.get(f"{kind}:{event.get('health')}") or _JOURNALLED.get(kind)


def _plain_words(name: str, event: Event) -> str:
    """Say what an event is called and why it is, or what stands in it."""
    reason = next((str(event[field]) for field in _REASONS if event.get(field)), "")
    # Of an exception the last line says what it was.
    reason = reason.strip().rpartition("\n")[2]
    if not reason:
        rest = (f"{key} {value}" for key, value in event.items() if key not in _NOT_SAID)
        reason = ", ".join(rest)
    return name.replace("_", " ") + (f": {reason}" if reason else "")


def _of_type(event: Event) -> str:
    return f" for {event['service_type']}" if event.get("service_type") else ""


def _because(event: Event) -> str:
    return f": {event['reason']}" if event.get("reason") else ""


def _by(event: Event) -> str:
    return f" by {event['by']}" if event.get("by") else ""


def _clock_time(event: Event, field: str) -> str:
    moment = parsed_moment(event.get(field))
    return local_time(moment) if moment else "later"


def local_time(moment: datetime) -> str:
    """Write an instant as the clock on the wall has it."""
    return moment.astimezone().strftime("%H:%M:%S")


_KEY_EVENTS = {
    "KeyIssued": "the key {} was issued",
    "MetricsKeyIssued": "the key {} was issued, for metrics",
    "ViewerKeyIssued": "the key {} was issued, to look",
    "KeyChanged": "the key {} was changed",
    "KeyRevoked": "the key {} was revoked",
    "SignInLinkUsed": "the key {} signed in by a link",
    "SignedOut": "the key {} signed out",
    "AuditRecorded": "an audit was recorded",
    "BackupRecorded": "a backup was recorded",
}


def _key_words(event: Event) -> str:
    kind = str(event.get("kind"))
    return _KEY_EVENTS.get(kind, kind).format(event.get("key_id")) + _by(event)


def _health_words(event: Event) -> str:
    return f"{event['server_id']} is {event['health']}{_because(event)}"


def _ejected_words(event: Event) -> str:
    return f"{event['server_id']} is out{_of_type(event)} until {_clock_time(event, 'until')}" + (
        _because(event)
    )


def _strategy_words(event: Event) -> str:
    chosen = event.get("strategy") or "the common one"
    return f"strategy {chosen}{_of_type(event)}{_because(event)}"


def _death_words(event: Event) -> str:
    code = int(event["code"])
    if code == 0:
        return f"{event['child']} ended as it was asked to; again in {event['again_in_s']} s"
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{event['child']} died ({how}); again in {event['again_in_s']} s"


def _suspected_words(event: Event) -> str:
    """Say it without the session's id: of many at once one line is enough, and lists name them."""
    server = event.get("server_id") or "a server"
    return f"a session is suspect: {server} calls its login expired"


def _refused_words(event: Event) -> str:
    lost = f"{event['suspects']} suspect, {event['disabled']} disabled"
    return f"no session's login is believed any more: {lost}"


def _restored_words(event: Event) -> str:
    if event["reason"] == "server_blamed":
        return f"a session is active again: {event['server_id']} is to blame, not the session"
    return f"a session is active again{_because(event)}"


Say = Callable[[Event], str]
_WORDS: dict[str, tuple[Mood, Say]] = {
    "elected": (Mood.PLAIN, lambda e: f"{e['service']} leads (epoch {e['epoch']})"),
    "deposed": (Mood.PLAIN, lambda e: f"{e['service']} leads no more"),
    "child_died": (Mood.ERROR, _death_words),
    "child_restarted": (Mood.GOOD, lambda e: f"{e['child']} runs again"),
    "child_killed": (Mood.WARNING, lambda e: f"{e['child']} was killed after {e['after_s']:g} s"),
    "leftovers_ended": (
        Mood.WARNING,
        lambda e: f"left by an earlier `up`, and ended: {', '.join(e['children'])}",
    ),
    "nats_disconnected": (Mood.WARNING, lambda e: f"{e['service']} lost NATS"),
    "nats_reconnected": (
        Mood.GOOD,
        lambda e: f"{e['service']} has NATS again after {e['after_s']:.1f} s",
    ),
    "sessions_added": (
        Mood.GOOD,
        lambda e: f"{count_phrase(e['count'], 'session')} added ({e['origin']})",
    ),
    "stale_sessions_retired": (
        Mood.PLAIN,
        lambda e: f"{count_phrase(e['count'], 'session')} retired that nobody used",
    ),
    "generated_sessions_retired": (
        Mood.PLAIN,
        lambda e: f"{count_phrase(e['count'], 'made-up session')} of the demo retired",
    ),
    "growth_held": (Mood.WARNING, lambda e: f"the pool does not grow{_because(e)}"),
    "growth_resumed": (Mood.GOOD, lambda _: "the pool grows again"),
    "policy_in_force": (Mood.GOOD, lambda _: "[services] and [pool] of the file are in force"),
    "configuration_applied": (Mood.GOOD, lambda _: "[gateway] of the file is in force"),
    "restart_needed": (
        Mood.WARNING,
        lambda e: f"{e['setting']} = {e['configured']} waits for a new start of `up`",
    ),
    "key_event": (Mood.PLAIN, _key_words),
    "key_rotation_ended": (Mood.GOOD, lambda _: "the master key is rotated"),
}
_JOURNALLED: dict[str, tuple[Mood, Say]] = {
    "server_added": (Mood.PLAIN, lambda e: f"{e['server']['server_id']} is added"),
    "server_changed": (Mood.PLAIN, lambda e: f"{e['server']['server_id']} is changed"),
    "server_removed": (Mood.PLAIN, lambda e: f"{e['server_id']} is removed"),
    "server_health_changed:up": (Mood.GOOD, lambda e: f"{e['server_id']} is up{_because(e)}"),
    "server_health_changed": (Mood.WARNING, _health_words),
    "server_ejected": (Mood.WARNING, _ejected_words),
    "server_half_opened": (
        Mood.PLAIN,
        lambda e: f"{e['server_id']} is tried again{_of_type(e)}: one call at a time",
    ),
    "server_readmitted": (Mood.GOOD, lambda e: f"{e['server_id']} is back{_of_type(e)}"),
    "server_fell_silent": (
        Mood.WARNING,
        lambda e: f"{e['server_id']} says nothing{_of_type(e)} for {e['waited_s']:.0f} s",
    ),
    "server_heard_again": (Mood.GOOD, lambda e: f"{e['server_id']} answers again{_of_type(e)}"),
    "server_drained": (Mood.PLAIN, lambda e: f"{e['server_id']} is draining{_by(e)}"),
    "server_undrained": (Mood.PLAIN, lambda e: f"{e['server_id']} may be chosen again{_by(e)}"),
    "strategy_changed": (Mood.PLAIN, _strategy_words),
    "strategy_pinned": (Mood.PLAIN, lambda e: f"strategy {e['strategy']} is pinned{_by(e)}"),
    "strategy_unpinned": (Mood.PLAIN, lambda e: f"the strategy is unpinned{_by(e)}"),
    "strategy_switched": (
        Mood.PLAIN,
        lambda e: f"strategy {e['strategy']}{_of_type(e)}: {e.get('rule') or 'no rule holds'}",
    ),
    "strategy_failed": (Mood.WARNING, lambda e: f"strategy {e['strategy']} failed{_because(e)}"),
    "session_suspected": (Mood.WARNING, _suspected_words),
    "session_changed": (
        Mood.WARNING,
        lambda e: f"a session is {e.get('status') or 'changed'}{_because(e)}",
    ),
    "session_recovered": (Mood.GOOD, _restored_words),
    "credentials_refused": (Mood.ERROR, _refused_words),
    "quota_observed": (
        Mood.PLAIN,
        lambda e: f"a session has no {e['service_type']} left today, by its backend's own count",
    ),
    "rules_changed": (Mood.PLAIN, lambda e: f"{len(e['rules'])} rules choose the strategy"),
}
