"""The fold of keys and its decisions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from contracts.base import KeyId, LeaderElected, WriterId
from contracts.envelope import Envelope
from contracts.events import AnyEvent, UnknownEvent, decode_event
from contracts.gateway import (
    KeyBounds,
    KeyChanged,
    KeyEvent,
    KeyIssued,
    KeyRevoked,
    Scope,
    SignedOut,
    SignInLinkUsed,
    ViewerKeyIssued,
)
from runtime.secrets import key_hash
from services.gateway.clients.keydecisions import (
    KeyRefusal,
    KeyRefused,
    decide_change,
    decide_event,
    decide_issue,
    decide_revoke,
)
from services.gateway.clients.keys import Key, KeyRing, KeyScope, presented_key
from services.gateway.clients.limits import FREE, Admitted, KeyLimits
from tests.anyevent import ANY_EVENT
from tests.contract.test_golden import golden_lines

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def issued(
    name: str, scope: Scope = Scope.CLIENT, text: str = "", bounds: KeyBounds | None = None
) -> KeyIssued:
    return KeyIssued(
        key_id=KeyId(name),
        key_hash=key_hash(text or f"sk-{name}"),
        name=name,
        scope=scope,
        bounds=bounds or KeyBounds(),
    )


def changed(key_id: str, text: str | None = None, /, **given: object) -> KeyChanged:
    hashed = None if text is None else key_hash(text)
    return KeyChanged(key_id=KeyId(key_id), key_hash=hashed, **given)  # type: ignore[arg-type]


def revoked(name: str) -> KeyRevoked:
    return KeyRevoked(key_id=KeyId(name))


def envelope(*events: AnyEvent | UnknownEvent) -> Envelope:
    return Envelope(
        writer=WriterId("w"), epoch=0, number=1, time=NOON, previous_hash="", events=list(events)
    )


def ring_of(*events: AnyEvent | UnknownEvent) -> KeyRing:
    ring = KeyRing()
    for sequence, event in enumerate(events, 1):
        ring.apply_envelope(sequence, envelope(event))
    return ring


def key_of(ring: KeyRing, text: str) -> Key:
    key = ring.find_key(text)
    assert key is not None
    return key


def test_issued_key_is_found_by_its_text_alone() -> None:
    ring = ring_of(issued("one"))

    assert key_of(ring, "sk-one").key_id == "one"
    assert ring.find_key("sk-two") is None
    assert ring.find_key("") is None
    assert ring.find_key(key_hash("sk-one")) is None


def test_found_again_it_is_the_same_key() -> None:
    ring = ring_of(issued("one"))

    assert ring.find_key("sk-one") is ring.find_key("sk-one")


def test_revoked_key_opens_nothing_even_after_it_was_found() -> None:
    ring = ring_of(issued("one"))

    assert ring.find_key("sk-one")

    ring.apply_envelope(2, envelope(revoked("one")))

    assert ring.find_key("sk-one") is None
    key = ring.key_of("one")
    assert key is not None
    assert key.revoked


def test_rotated_key_opens_by_its_new_text_only() -> None:
    ring = ring_of(issued("one"))

    assert ring.find_key("sk-one")

    ring.apply_envelope(2, envelope(changed("one", "sk-new")))

    assert ring.find_key("sk-one") is None
    assert key_of(ring, "sk-new").key_id == "one"


def test_hash_is_known_for_ever_by_the_key_it_opened() -> None:
    ring = ring_of(issued("one"), issued("two"), changed("one", "sk-new"), revoked("two"))

    for text in ("sk-one", "sk-new"):
        key = ring.key_once_opened_by(key_hash(text))
        assert key is not None
        assert (key.key_id, key.hash) == ("one", key_hash("sk-new"))
    gone = ring.key_once_opened_by(key_hash("sk-two"))
    assert gone is not None
    assert gone.revoked
    assert ring.key_once_opened_by(key_hash("sk-three")) is None


def test_changed_bounds_hold_for_the_next_look() -> None:
    ring = ring_of(issued("one"))

    assert key_of(ring, "sk-one").bounds.concurrency == 0

    ring.apply_envelope(2, envelope(changed("one", name="uno", bounds=KeyBounds(concurrency=3))))

    assert key_of(ring, "sk-one").bounds.concurrency == 3
    assert key_of(ring, "sk-one").name == "uno"


def test_change_after_a_revocation_revives_nothing() -> None:
    ring = ring_of(issued("one"), revoked("one"), changed("one", "sk-new"))

    assert ring.find_key("sk-one") is None
    assert ring.find_key("sk-new") is None


def test_key_that_lost_its_hash_to_another_does_not_take_it_along() -> None:
    ring = ring_of(issued("one", text="sk-same"), issued("two", text="sk-same"), revoked("one"))

    assert key_of(ring, "sk-same").key_id == "two"


def test_envelope_seen_twice_changes_nothing() -> None:
    ring = ring_of(issued("one"))
    ring.apply_envelope(2, envelope(revoked("one")))

    ring.apply_envelope(1, envelope(issued("one")))
    ring.apply_envelope(2, envelope(issued("one")))

    assert ring.find_key("sk-one") is None
    assert ring.version == 2


def test_events_that_are_none_of_its_own_are_skipped() -> None:
    ring = ring_of(
        UnknownEvent(tag="key_blessed", raw=b"{}"),
        LeaderElected(writer=WriterId("w"), epoch=1),
        revoked("nobody"),
        changed("nobody"),
        issued("one"),
    )

    assert [key.key_id for key in ring.all_keys()] == ["one"]
    assert (ring.version, ring.unknown_events) == (5, 1)


def test_cache_of_texts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.clients.keys._CACHED_MAX", 1)
    ring = ring_of(issued("one"), issued("two"))

    assert key_of(ring, "sk-one").key_id == "one"
    assert key_of(ring, "sk-two").key_id == "two"
    assert key_of(ring, "sk-two").key_id == "two"
    assert list(ring._cached) == ["sk-one"]


def test_unknown_texts_leave_no_trace() -> None:
    ring = ring_of(issued("one"))

    for number in range(100):
        assert ring.find_key(f"sk-guess-{number}") is None

    assert not ring._cached


def test_key_is_issued_once() -> None:
    ring = ring_of(issued("one"))

    again = decide_issue(ring, issued("one", text="sk-other"))
    same_text = decide_issue(ring, issued("two", text="sk-one"))

    assert reason(again) is KeyRefusal.TAKEN
    assert reason(same_text) is KeyRefusal.TAKEN


def test_wish_whose_append_had_landed_is_fulfilled() -> None:
    ring = ring_of(issued("one"))

    assert decide_issue(ring, issued("one")) is None


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "tab\there", "line\n"])
def test_name_must_be_readable(name: str) -> None:
    event = issued("one")
    wanted = KeyIssued(key_id=event.key_id, key_hash="h", name=name, scope=Scope.CLIENT)

    assert reason(decide_issue(KeyRing(), wanted)) is KeyRefusal.BAD_NAME
    change = changed("one", name=name)
    assert reason(decide_change(ring_of(event), change)) is KeyRefusal.BAD_NAME


@pytest.mark.parametrize("models", [["*"] * 101, [""], ["x" * 101]])
def test_patterns_of_models_are_bounded(models: list[str]) -> None:
    bounds = KeyBounds(models=models)

    assert reason(decide_issue(KeyRing(), issued("one", bounds=bounds))) is KeyRefusal.BAD_BOUNDS
    change = changed("one", bounds=bounds)
    assert reason(decide_change(ring_of(issued("one")), change)) is KeyRefusal.BAD_BOUNDS


def test_wanted_key_is_issued_as_it_is() -> None:
    wanted = issued("one", bounds=KeyBounds(requests_per_minute=5, models=["jimeng-*"]))

    assert decide_issue(KeyRing(), wanted) is wanted


def test_change_that_changes_nothing_is_no_event() -> None:
    ring = ring_of(issued("one"))

    assert decide_change(ring, changed("one", name="one")) is None
    wanted = changed("one", name="uno")
    assert decide_change(ring, wanted) is wanted


def test_hash_in_use_is_refused_to_a_rotation() -> None:
    ring = ring_of(issued("one"), issued("two"))

    assert reason(decide_change(ring, changed("one", "sk-two"))) is KeyRefusal.TAKEN


def test_unknown_and_revoked_keys_do_not_change() -> None:
    ring = ring_of(issued("one"), revoked("one"))

    assert reason(decide_change(ring, changed("one", name="x"))) is KeyRefusal.REVOKED
    assert reason(decide_change(ring, changed("two", name="x"))) is KeyRefusal.UNKNOWN
    assert reason(decide_revoke(ring, revoked("two"))) is KeyRefusal.UNKNOWN


def test_second_revocation_is_no_event() -> None:
    assert decide_revoke(ring_of(issued("one"), revoked("one")), revoked("one")) is None


def test_last_admin_key_stays() -> None:
    ring = ring_of(issued("a", Scope.ADMIN), issued("b", Scope.ADMIN), issued("c"), revoked("b"))

    assert reason(decide_revoke(ring, revoked("a"))) is KeyRefusal.LAST_ADMIN
    assert decide_revoke(ring, revoked("c")) == revoked("c")


def test_one_of_two_admin_keys_may_go() -> None:
    ring = ring_of(issued("a", Scope.ADMIN), issued("b", Scope.ADMIN))

    assert decide_revoke(ring, revoked("a")) == revoked("a")


def test_no_patterns_are_every_model_and_case_is_nothing() -> None:
    free = key_of(ring_of(issued("one")), "sk-one")
    bound = key_of(ring_of(issued("two", bounds=KeyBounds(models=["Jimeng-*", "x"]))), "sk-two")

    assert free.allows_model("anything")
    assert free.allows_model("")
    assert bound.allows_model("jimeng-3.0")
    assert bound.allows_model("X")
    assert not bound.allows_model("xx")


def test_only_admin_keys_administer() -> None:
    ring = ring_of(issued("a", Scope.ADMIN), issued("b"))

    assert key_of(ring, "sk-a").is_admin
    assert not key_of(ring, "sk-b").is_admin


@pytest.mark.parametrize(
    ("authorization", "text"),
    [
        ("Bearer sk-1", "sk-1"),
        ("bearer   sk-1 ", "sk-1"),
        ("sk-1", "sk-1"),
        (" sk-1 ", "sk-1"),
        ("Bearer", "Bearer"),
        ("Basic sk-1", "Basic sk-1"),
    ],
)
def test_key_is_presented_as_bearer_or_alone(authorization: str, text: str) -> None:
    assert presented_key(authorization) == text


def reason(decision: object) -> KeyRefusal:
    assert isinstance(decision, KeyRefused)
    assert decision.message
    return decision.reason


names = some.sampled_from(["a", "b", "c"])
texts = some.sampled_from(["sk-1", "sk-2", "sk-3"])
wishes: some.SearchStrategy[KeyEvent] = some.one_of(
    some.builds(issued, names, some.sampled_from(Scope), texts),
    some.builds(changed, names, some.none() | texts),
    some.builds(revoked, names),
)


@given(some.lists(wishes, max_size=30))
def test_whatever_is_wished_every_living_key_opens_by_its_own_text_only(
    wanted: list[KeyEvent],
) -> None:
    ring = KeyRing()
    sequence = 0
    for wish in wanted:
        decision = decide_event(ring, wish)
        if isinstance(decision, KeyIssued | KeyChanged | KeyRevoked):
            sequence += 1
            ring.apply_envelope(sequence, envelope(decision))
        living = {key.hash: key for key in ring.all_keys() if not key.revoked}
        assert len(living) == sum(not key.revoked for key in ring.all_keys())
        for text in ("sk-1", "sk-2", "sk-3"):
            assert ring.find_key(text) == living.get(key_hash(text))


@given(some.lists(wishes, max_size=30))
def test_once_there_is_an_admin_there_always_is_one(wanted: list[KeyEvent]) -> None:
    ring = ring_of(issued("root", Scope.ADMIN))
    for sequence, wish in enumerate(wanted, 2):
        decision = decide_event(ring, wish)
        if isinstance(decision, KeyIssued | KeyChanged | KeyRevoked):
            ring.apply_envelope(sequence, envelope(decision))
        assert any(key.is_admin and not key.revoked for key in ring.all_keys())


def rotated_with_grace(*events: AnyEvent) -> tuple[KeyRing, list[datetime]]:
    now = [NOON]
    ring = KeyRing(lambda: now[0])
    until = NOON + timedelta(hours=1)
    whole = [issued("one"), changed("one", "sk-new", old_until=until), *events]
    for sequence, event in enumerate(whole, 1):
        ring.apply_envelope(sequence, envelope(event))
    return ring, now


def test_old_text_opens_beside_the_new_one_until_its_grace_is_over() -> None:
    ring, now = rotated_with_grace()
    both = [ring.find_key("sk-one"), ring.find_key("sk-new")]
    now[0] += timedelta(hours=1)

    assert [key.name if key else None for key in both] == ["one", "one"]
    assert ring.find_key("sk-one") is None
    assert ring.find_key("sk-new") is not None


def test_old_text_is_bound_as_the_key_is_now_and_taken_while_it_opens() -> None:
    ring, _ = rotated_with_grace(changed("one", bounds=KeyBounds(concurrency=3)))
    found = ring.find_key("sk-one")

    assert found is not None
    assert found.bounds.concurrency == 3
    assert reason(decide_issue(ring, issued("two", text="sk-one"))) is KeyRefusal.TAKEN


@pytest.mark.parametrize("event", [revoked("one"), changed("one", "sk-newest")])
def test_revoking_and_rotating_again_end_the_grace_at_once(event: AnyEvent) -> None:
    ring, _ = rotated_with_grace(event)

    assert ring.find_key("sk-one") is None


def test_without_a_clock_no_old_text_opens() -> None:
    until = NOON + timedelta(hours=1)

    assert (
        ring_of(issued("one"), changed("one", "sk-new", old_until=until)).find_key("sk-one") is None
    )


@given(events=some.lists(ANY_EVENT, max_size=12))
def test_any_event_is_taken_in(events: list[AnyEvent]) -> None:
    ring = KeyRing(lambda: NOON)

    ring.apply_envelope(
        1,
        Envelope(
            writer=WriterId("w"), epoch=1, number=1, time=NOON, previous_hash="", events=events
        ),
    )

    limits = KeyLimits()
    for key in ring.all_keys():
        ring.key_opened_by(key.hash)
        if limits.admit_request(key, 0.0) == FREE:
            limits.leave_request(key)


def test_a_key_of_unbounded_bounds_opens() -> None:
    ring = KeyRing(lambda: NOON)
    events = [decode_event(line) for line in golden_lines("keys")]

    ring.apply_envelope(
        1,
        Envelope(
            writer=WriterId("w"), epoch=1, number=1, time=NOON, previous_hash="", events=events
        ),
    )

    key = ring.key_of("key_5f2c9d8e7a62")

    assert key is not None
    assert KeyLimits().admit_request(key, 0.0) == Admitted(2**63 - 1, 2**63 - 2, 60.0)


@pytest.mark.parametrize(
    "field_value",
    [
        ("requests_per_minute", 1_000_001),
        ("concurrency", 1_000_001),
        ("weight", 1001),
        ("weight", 0),
    ],
)
def test_bound_of_a_key_beyond_sense_is_refused(field_value: tuple[str, int]) -> None:
    field, value = field_value
    wanted = issued("new", bounds=KeyBounds(**{field: value}))

    refused = decide_issue(KeyRing(), wanted)

    assert isinstance(refused, KeyRefused)
    assert refused.reason is KeyRefusal.BAD_BOUNDS


def viewer(name: str, text: str) -> ViewerKeyIssued:
    return ViewerKeyIssued(key_id=KeyId(name), key_hash=key_hash(text), name=name)


def link_used(sign_in: str = "one", lasts_s: float = 300) -> SignInLinkUsed:
    over_at = NOON + timedelta(seconds=lasts_s)
    return SignInLinkUsed(
        link_id="link", key_id=KeyId("root"), sign_in_id=sign_in, expires_at=over_at
    )


def test_viewer_key_is_one_of_its_scope_without_bounds() -> None:
    ring = ring_of(viewer("eve", "sk-viewer-1"))

    key = key_of(ring, "sk-viewer-1")

    assert (key.scope, key.bounds, key.is_admin) == (KeyScope.VIEWER, KeyBounds(), False)
    refused = decide_change(ring, changed("eve", bounds=KeyBounds(concurrency=2)))
    assert refused == KeyRefused(KeyRefusal.BAD_BOUNDS, "models: a viewer key has no bounds")


def test_a_link_is_used_once_and_the_same_wish_again_is_fulfilled() -> None:
    ring = ring_of(issued("root", Scope.ADMIN))

    assert decide_event(ring, link_used()) == link_used()
    ring.apply_envelope(2, envelope(link_used()))
    assert decide_event(ring, link_used()) is None
    again = decide_event(ring, link_used("another"))
    assert isinstance(again, KeyRefused)
    assert again.reason is KeyRefusal.LINK_USED


def test_of_two_uses_of_a_link_in_the_log_the_first_counts() -> None:
    ring = ring_of(issued("root", Scope.ADMIN), link_used(), link_used("another"))

    assert ring.spent.links["link"].sign_in_id == "one"


def test_a_link_of_a_revoked_key_is_refused() -> None:
    ring = ring_of(issued("root", Scope.ADMIN), revoked("root"))

    refused = decide_event(ring, link_used())

    assert isinstance(refused, KeyRefused)
    assert refused.reason is KeyRefusal.REVOKED


def test_a_sign_in_ends_once() -> None:
    ended = SignedOut(sign_in_id="one", key_id=KeyId("root"), expires_at=NOON)
    ring = ring_of(issued("root", Scope.ADMIN))

    assert decide_event(ring, ended) == ended
    ring.apply_envelope(2, envelope(ended))
    assert decide_event(ring, ended) is None


def test_what_is_over_by_more_than_an_hour_is_forgotten() -> None:
    ended = SignedOut(sign_in_id="old", key_id=KeyId("root"), expires_at=NOON - timedelta(hours=1))
    ring = ring_of(link_used(lasts_s=-3600), ended, link_used("late", lasts_s=-3599))

    ring.apply_envelope(9, envelope(issued("root")))

    assert ring.spent.ended == {}
    assert list(ring.spent.links) == ["link"]
    assert ring.spent.links["link"].sign_in_id == "late"


def test_hashes_that_open_a_key_are_those_of_now_and_of_a_rotation_in_its_grace() -> None:
    later = NOON + timedelta(hours=1)
    ring = KeyRing(lambda: NOON)
    rotated = changed("k", "sk-new", old_until=later)
    for sequence, event in enumerate((issued("k", text="sk-old"), rotated), 1):
        ring.apply_envelope(sequence, envelope(event))

    assert ring.hashes_opening(KeyId("k")) == [key_hash("sk-new"), key_hash("sk-old")]
    ring.apply_envelope(3, envelope(revoked("k")))
    assert ring.hashes_opening(KeyId("k")) == ring.hashes_opening(KeyId("nobody")) == []
