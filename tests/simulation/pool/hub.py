"""The nats-server of the simulation: who listens to what, and the streams on its disk.

It is a process like the others: it may be paused, and crash. Subscriptions are its memory, the
streams lie on its `Disk`: an append is there for others, and acknowledged, once it is synced; a
crash keeps what was synced and nothing else (what was being synced may be kept, unacknowledged).
"""

from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol
from zlib import crc32

from tests.simulation.pool.disk import Disk, is_matched
from tests.simulation.pool.loop import Life, SimulatedLoop

NO_RESPONDERS = "503"


class Message(NamedTuple):
    """What travels."""

    subject: str
    body: bytes = b""
    reply: str = ""
    status: str = ""
    headers: Mapping[str, str] = MappingProxyType({})


class Witness(Protocol):
    """Whoever watches what processes say."""

    def on_published(self, life: Life, subject: str, body: bytes) -> None:
        """A process says something."""

    def note(self, text: str) -> None:
        """Something happened that belongs to the trace."""


class Connected(Protocol):
    """One connection, as the hub knows it."""

    def send_down(self, act: Callable[..., object], *args: Any) -> None:
        """Have something done at its other end, after its way."""

    def deliver(self, message: Message) -> None:
        """Hand an answer over, at its other end."""

    def cut(self) -> None:
        """Break it."""


class Listening(Protocol):
    """Interest in a subject, over a connection."""

    subject: str
    bus: Connected

    def take(self, message: Message) -> None:
        """Take a message in, at the connection's other end."""


class Noise:
    """What befalls single messages; quiet until it is turned up."""

    def __init__(self, chance: Random) -> None:
        self.lost = self.late = self.repeated = 0.0
        """Shares of the answers, and of the questions, that are."""
        self.late_max_s = 3.0
        self._random = chance.random

    def latency_s(self) -> float:
        """Draw how long a message takes one way."""
        return 0.0002 + 0.001 * self._random()

    def hush(self) -> None:
        """Let every message arrive once, in time."""
        self.lost = self.late = self.repeated = 0.0

    def lateness_s(self) -> float:
        """Draw how much later than others something arrives: mostly not at all."""
        late = self.late and self._random() < self.late
        return self._random() * self.late_max_s if late else 0.0

    def carry(self, loop: SimulatedLoop, act: Callable[..., object], *args: Any) -> None:
        """Do something once; or never, later, or twice."""
        if self.lost and self._random() < self.lost:
            return
        late_s = self.lateness_s()
        if late_s:
            loop.call_later(late_s, act, *args)
        else:
            act(*args)
        if self.repeated and self._random() < self.repeated:
            loop.call_later(self._random(), act, *args)


class Hub:
    """Routes messages, and keeps the streams."""

    def __init__(self, loop: SimulatedLoop, chance: Random, witness: Witness) -> None:
        self.witness = witness
        self.noise = Noise(chance)
        self.buses: dict[str, Connected] = {}
        """By what their inboxes begin with."""
        self.up = True
        self.muted: set[str] = set()
        """Subjects on which nothing arrives."""
        self.life = loop.begin_life("nats")
        self.disk = Disk(loop, chance, witness.note)
        self._loop = loop
        self._listening: dict[str, dict[Listening, None]] = {}
        self._patterns: dict[str, dict[Listening, None]] = {}

    # --------------------------------------------------------------- listening

    def subscribe(self, subscription: Listening) -> None:
        """Somebody listens from here on."""
        self._shelf(subscription.subject).setdefault(subscription.subject, {})[subscription] = None

    def unsubscribe(self, subscription: Listening) -> None:
        """Somebody does no more."""
        shelf = self._shelf(subscription.subject)
        listening = shelf.get(subscription.subject, {})
        listening.pop(subscription, None)
        if not listening:
            shelf.pop(subscription.subject, None)

    def drop_bus(self, bus: Connected) -> None:
        """The connection is gone, and whoever listened over it."""
        for shelf in (self._listening, self._patterns):
            for subject in list(shelf):
                for subscription in list(shelf[subject]):
                    if subscription.bus is bus:
                        self.unsubscribe(subscription)

    def _shelf(self, subject: str) -> dict[str, dict[Listening, None]]:
        return self._patterns if subject.endswith(">") or "*" in subject else self._listening

    # ----------------------------------------------------------------- routing

    def route(self, message: Message) -> None:
        """Hand a message to whoever listens, or say that nobody does."""
        subject = message.subject
        self.witness.note(f"{subject} {crc32(message.body)}")
        if subject in self.muted:
            return
        if subject.startswith("$"):
            self._serve_bucket(message)
            return
        listening = [*self._listening.get(subject, ())]
        listening += [
            subscription
            for pattern, subscriptions in self._patterns.items()
            if is_matched(subject, pattern)
            for subscription in subscriptions
        ]
        for subscription in listening:
            bus = subscription.bus
            self.noise.carry(self._loop, bus.send_down, subscription.take, message)
        if listening:
            return
        if subject.startswith("_INBOX"):
            self._answer(message)
        elif message.reply:
            self.route(Message(message.reply, status=NO_RESPONDERS))

    def _answer(self, message: Message) -> None:
        """Bring an answer to whoever asked."""
        bus = self.buses.get(message.subject.rpartition(".")[0])
        if bus is not None:
            self.noise.carry(self._loop, bus.send_down, bus.deliver, message)

    def _serve_bucket(self, message: Message) -> None:
        """Do what is asked of the bucket of ciphertexts."""
        for answer in self.disk.bucket.serve(message.subject, message.body):
            headers = answer.headers
            self.route(Message(message.reply, answer.body, status=answer.status, headers=headers))

    # ---------------------------------------------------------------- misfortune

    def crash(self) -> None:
        """Lose memory and connections, and what was not synced."""
        self.up = False
        self._loop.crash(self.life)
        self.disk.crash()
        self._listening, self._patterns = {}, {}
        for bus in self.buses.values():
            bus.cut()

    def start(self) -> None:
        """Come back with what lies on the disk."""
        self.life = self._loop.begin_life("nats")
        self.up = True
