"""What `up` prints: on a terminal a block and a line an event, else its log and where it listens.

On a terminal a thread reads the log file: when the terminal is stopped, nothing but it waits.
"""

import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from runtime.environment import Home
from runtime.process import logs
from runtime.settings import SettingsError
from runtime.texts import as_shown
from tidegate.console import api, output
from tidegate.console.errors import CommandError
from tidegate.console.moments import parsed_moment
from tidegate.console.tables import fitting_line
from tidegate.stack.screen.logfile import FollowedLog, log_file
from tidegate.stack.screen.requests import Repeats, RequestCounter, request_words
from tidegate.stack.screen.welcome import StartWords
from tidegate.stack.screen.words import (
    Mood,
    ShownEvent,
    event_words,
    is_shown_each_time,
    local_time,
)

_LOOK_EVERY_S = 0.1
_NAMES_EVERY_S = 5.0
_END_S = 3.0
_TAKEOVER_S = 15.0
_MODELS, _OWN_LINE_S = "/v1/models", 1.0
"""What it asks itself is logged a moment after it was answered."""
_KEY_ID = re.compile(r"\bkey_[0-9a-f]{12,}\b")
_STYLES = {Mood.PLAIN: "", Mood.GOOD: "green", Mood.WARNING: "yellow", Mood.ERROR: "red"}


class PlainScreen:
    """No terminal: the log goes to standard error, what is said to standard output."""

    def __init__(self) -> None:
        """Have this process log to standard error."""
        self.log = logs.configure_logs("up")
        self.shared: dict[str, str] = {}
        """What its children find in their environment."""
        self.output: Path | None = None
        """Where they print, if not here."""

    def begin(self) -> None:
        """Show what comes."""

    def show_progress(self, what: str) -> None:
        """Say what is being started."""

    def show_start(self, words: StartWords) -> None:
        """Say where everything is."""
        output.print_text(words.plain_text(), flush=True)

    def show_stop(self) -> None:
        """Say that it ends."""

    def end(self) -> None:
        """Show nothing more."""


class TerminalScreen(PlainScreen):
    """A terminal: the log goes into the home's file, and what is worth attention is shown."""

    def __init__(self, home: Home) -> None:
        """Have this process log into the file."""
        file = log_file(home)
        self._followed = FollowedLog(file)
        self.log = logs.configure_logs("up", file)
        self.shared = {
            "TIDEGATE_LOG_FILE": str(file.absolute()),
            "TIDEGATE_LOG_FORMAT": "json",
        }
        self.output = file
        self._console = output.plain_console()
        self._status = self._console.status(Text("starting"))
        self._requests = RequestCounter()
        self._repeats = Repeats()
        self._key_names: dict[str, str] = {}
        self._asked_s: dict[str, float] = {}
        self._elected_s = float("-inf")
        self._started = False
        self._started_at = datetime.max.replace(tzinfo=UTC)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="screen", daemon=True)

    def begin(self) -> None:
        """Show what comes from now on."""
        self._status.start()
        self._thread.start()

    def show_progress(self, what: str) -> None:
        """Say what is being started, until the next thing is."""
        self._status.update(Text(f"starting {what}"))

    def show_start(self, words: StartWords) -> None:
        """Show the block; from now on every event of note has a line."""
        self._status.stop()
        self._console.print(words.for_terminal(self._console.width), soft_wrap=True)
        self._started, self._started_at = True, datetime.now(UTC)

    def show_stop(self) -> None:
        """Say that it ends, and how to be quicker."""
        with suppress(OSError):  # the terminal may have been closed
            self._status.stop()
            self._console.print()  # behind the ^C that the terminal has written
        self._print_event(
            datetime.now(UTC),
            ShownEvent(Mood.PLAIN, "stopping: open calls end first; Ctrl-C again does not wait"),
        )

    def end(self) -> None:
        """Show the last lines, and no more."""
        with suppress(OSError):
            self._status.stop()
        self._ending.set()
        self._thread.join(_END_S)
        if self._started:
            self._print_event(datetime.now(UTC), ShownEvent(Mood.PLAIN, "stopped"))

    def _follow(self) -> None:
        """Read and print until the end, and then what is left."""
        ending = False
        while not ending:
            ending = self._ending.wait(_LOOK_EVERY_S)
            for line in self._followed.read_lines():
                self._show_line(line)
            summary = self._requests.take_summary(time.monotonic())
            if summary is not None:
                self._print_event(datetime.now(UTC), summary)
        self._followed.close()

    def _show_line(self, line: bytes) -> None:
        try:
            event = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            # No event: what a process says that cannot start, or a traceback.
            self._print_raw(line.decode(errors="replace"))
            return
        with suppress(LookupError, TypeError, ValueError):  # an event of another version
            self._show_event(event)

    def _show_event(self, event: Mapping[str, Any]) -> None:
        """Print the line of an event that has one, and has not had it a moment ago."""
        now_s = time.monotonic()
        if event.get("event") == "request" and event.get("level") == "info":
            if self._asked_by_itself(event):
                return
            if "method" not in event and not self._requests.admits(event, now_s):
                return
            shown = request_words(event)
        elif event.get("event") == "policy_in_force" and now_s - self._elected_s < _TAKEOVER_S:
            return  # what every new leader says
        else:
            shown = event_words(event, started=self._started)
            if shown is not None and not is_shown_each_time(event):
                text = self._repeats.passed(shown.text, now_s)
                shown = shown._replace(text=text) if text else None
        if event.get("event") == "elected":
            self._elected_s = now_s
        if shown is not None:
            shown = shown._replace(text=self._with_key_names(shown.text, now_s))
            self._print_event(parsed_moment(event.get("timestamp")) or datetime.now(UTC), shown)

    def _asked_by_itself(self, event: Mapping[str, Any]) -> bool:
        """Tell whether it was `up` that asked; the models, right before it showed its block."""
        since_s = 0.0
        if (at := parsed_moment(event.get("timestamp"))) is not None:
            since_s = (at - self._started_at).total_seconds()
        return since_s < 0 or (event.get("path") == _MODELS and since_s < _OWN_LINE_S)

    def _with_key_names(self, text: str, now_s: float) -> str:
        """Put names where ids of keys stand; one that is missing is asked for, not too often."""
        lacking = set(_KEY_ID.findall(text)) - self._key_names.keys()
        never = float("-inf")
        due = [id_ for id_ in lacking if now_s - self._asked_s.get(id_, never) >= _NAMES_EVERY_S]
        if due:
            self._asked_s.update(dict.fromkeys(due, now_s))
            with suppress(CommandError, SettingsError, KeyError, TypeError):
                self._key_names = {key["id"]: key["name"] for key in api.get("/api/keys")["data"]}
        return _KEY_ID.sub(lambda match: self._key_names.get(match[0], match[0]), text)

    def _print_event(self, moment: datetime, shown: ShownEvent) -> None:
        """Print a line, of what has room in it."""
        clock = local_time(moment)
        text = fitting_line(as_shown(shown.text), self._console.width - len(clock) - 2)
        line = Text(f"{clock}  ", style="dim")
        line.append(text, style=f"not dim {_STYLES[shown.mood]}")
        with suppress(OSError):
            self._console.print(line, soft_wrap=True)

    def _print_raw(self, text: str) -> None:
        if text:
            with suppress(OSError):
                self._console.print(Text(as_shown(text), style="red"))


def screen_for(home: Home) -> PlainScreen:
    """Choose by whether somebody looks, and by what TIDEGATE_LOG_FORMAT says."""
    wanted = os.environ.get("TIDEGATE_LOG_FORMAT")
    if wanted or not (sys.stdout.isatty() and sys.stderr.isatty()):
        return PlainScreen()
    return TerminalScreen(home)
