"""What a rotation does next: the key file and the pool's leader say it, wherever it stands."""

from datetime import UTC, datetime
from typing import Any

from contracts.pool import KeyHolder, KeyRotation, KeysReply
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

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WHOLE = "wwwwwwww"


def under_way(key_id: str, previous_id: str = "old") -> KeyRotation:
    return KeyRotation(key_id=key_id, previous_id=previous_id, began_at=NOON, by="me")


def ended_rotation(key_id: str, previous_id: str = "old") -> KeyRotation:
    return KeyRotation(
        key_id=key_id, previous_id=previous_id, began_at=NOON, by="me", ended_at=NOON
    )


def step(*key_ids: str, **told: Any) -> Step:
    """The next step where the file has these keys and the pool the same, or what is `told`."""
    had = {
        "key_ids": [*key_ids],
        "ciphertexts": {key_ids[0]: 3},
        "holders": [KeyHolder(process="pool", key_ids=[*key_ids])],
        "listened_s": 9.0,
    }
    strange = told.pop("strange", {})
    return next_step(key_ids, KeysReply(**{**had, **told}), WHOLE, strange)


def test_rotation_begins_with_a_key_that_is_added() -> None:
    assert step("old") == AddKey()
    assert step("old", rotation=ended_rotation("old", "older")) == AddKey()
    assert step("old", "new") == BeginRotation("new")


def test_key_goes_first_once_everybody_has_said_that_it_is_there() -> None:
    rotation = under_way("new")
    late = [KeyHolder(process="pool", key_ids=["old", "new"]), KeyHolder(process="g", key_ids=[])]

    assert step("old", "new", rotation=rotation, holders=late) == AwaitKey("new", ["g"])
    assert step("old", "new", rotation=rotation, listened_s=1.0) == AwaitKey("new", [])
    assert step("old", "new", rotation=rotation) == PromoteKey("new")


def test_promoted_key_is_waited_for_until_the_log_has_the_end() -> None:
    late = [KeyHolder(process="g", key_ids=["old", "new"])]
    counts = {"new": 2, "old": 1}

    waiting = step("new", "old", rotation=under_way("new"), holders=late, ciphertexts=counts)

    assert waiting == AwaitEnd("new", 2, ["g"])
    assert step("new", "old", rotation=ended_rotation("new")) == DropKeys("new")


def test_old_key_is_dropped_by_whoever_finds_the_rotation_ended() -> None:
    assert step("new", "old", rotation=ended_rotation("new")) == DropKeys("new")


def test_key_that_a_killed_run_only_added_is_the_one_to_begin_with() -> None:
    assert step("old", "new") == BeginRotation("new")
    assert step("old", "new", rotation=ended_rotation("old", "older")) == BeginRotation("new")


def test_rotation_begins_once_the_pool_has_the_key() -> None:
    """On another machine the pool reads another copy of the file."""
    waiting = step("old", "new", key_ids=["old"], holders=[KeyHolder(process="p", key_ids=["old"])])

    assert waiting == AwaitKey("new", ["p"])


def test_second_key_under_which_something_is_sealed_is_not_dropped() -> None:
    """A backup that was taken amid a rotation comes back with the keys of both sides."""
    counts = {"new": 1, "old": 2}

    assert step("new", "old", ciphertexts=counts) == BeginRotation("new")
    assert step("new", "old", ciphertexts=counts, rotation=ended_rotation("new")) == BeginRotation(
        "new"
    )
    assert step("new", "old", rotation=ended_rotation("new", "new")) == DropKeys("new")


def test_rotation_whose_key_is_nowhere_gives_way_to_another() -> None:
    assert step("old", rotation=under_way("lost")) == AddKey()
    assert step("old", "new", rotation=under_way("lost")) == BeginRotation("new")


def test_rotation_whose_key_is_in_another_file_is_not_touched() -> None:
    counts = {"old": 2, "theirs": 1}

    refused = step("old", rotation=under_way("theirs"), ciphertexts=counts)

    assert isinstance(refused, NoWay)
    assert "a rotation to the key theirs is under way" in refused.reason


def test_file_that_lacks_a_key_of_the_pool_is_not_touched() -> None:
    refused = step("old", key_ids=["old", "more"])

    assert isinstance(refused, NoWay)
    assert "the pool has the key more, which is not in this file" in refused.reason


def test_lines_that_sealed_as_one_key_are_not_touched() -> None:
    refused = step("one", "two", ciphertexts={WHOLE: 4})

    assert isinstance(refused, NoWay)
    assert "4 credentials are sealed under the lines of this file as one key" in refused.reason
    assert step("one", ciphertexts={WHOLE: 4}) == AddKey(), "a single line is its own whole"


def no_way_text(*key_ids: str, **told: Any) -> str:
    """Why there is no way for a file with these keys."""
    stands = step(*key_ids, **told)
    return stands.reason if isinstance(stands, NoWay) else ""


def test_line_that_is_no_key_is_never_promoted() -> None:
    stray = {"stray": "line 2 of it"}
    both = {"stray": 2, "strong": 400}

    assert no_way_text("strong", "stray", strange=stray).startswith("line 2 of it seals nothing")
    assert no_way_text("stray", "strong", strange=stray, ciphertexts={"strong": 3}).endswith(
        "take that line out"
    )
    assert no_way_text("stray", "strong", strange=stray, ciphertexts=both).startswith(
        "line 2 of it would become the master key: expected a key as Tidegate makes them"
    )
    assert no_way_text(
        "strong", "stray", strange=stray, ciphertexts=both, rotation=under_way("stray", "strong")
    ).startswith("line 2 of it would become")


def test_key_that_somebody_chose_is_rotated_away() -> None:
    chosen = {"chosen": "line 1 of it"}

    assert step("chosen", strange=chosen) == AddKey()
    assert step("chosen", "new", strange=chosen) == BeginRotation("new")
    assert step("chosen", "new", strange=chosen, ciphertexts={}) == BeginRotation("new")
    ended = ended_rotation("new", "chosen")
    assert step("new", "chosen", strange=chosen, rotation=ended) == DropKeys("new")
    assert step("new", "chosen", strange=chosen, ciphertexts={"new": 9, "chosen": 1}) == (
        BeginRotation("new")
    )
