"""The table of the wire, and the permissions derived from it."""

import pytest

from contracts import subjects
from contracts.permissions import denied_subjects, permissions_of
from contracts.subjects import TABLE, USERS


def covers(pattern: str, subject: str) -> bool:
    words, wanted = pattern.split("."), subject.split(".")
    if words[-1] == ">":
        return len(wanted) >= len(words) and covers(
            ".".join(words[:-1]), ".".join(wanted[: len(words) - 1])
        )
    return len(words) == len(wanted) and all(
        one in {"*", other} for one, other in zip(words, wanted, strict=True)
    )


@pytest.mark.parametrize(
    "subject",
    [
        subjects.evt_pool(),
        subjects.pool_lease(),
        subjects.pool_end(),
        subjects.pool_renew(),
        subjects.pool_cancel(),
        subjects.pool_status(),
        subjects.pool_admin(),
        subjects.pool_ping(),
        subjects.pool_leads(),
        subjects.BALANCER_LEADS,
        subjects.EVT_BALANCER,
        subjects.EVT_KEYS,
        subjects.ANALYTICS_QUERY,
    ],
)
def test_every_subject_in_use_is_one_row_of_the_table(subject: str) -> None:
    assert len([row for row in TABLE if covers(row.pattern, subject)]) == 1


def test_only_event_subjects_are_captured_by_the_stream() -> None:
    for row in TABLE:
        told = covers(subjects.CONTROL_SUBJECTS, row.pattern)
        assert covers(subjects.EVENT_SUBJECTS, row.pattern) == (row.reply is None and not told)


def test_every_event_subject_has_one_writing_service() -> None:
    for row in TABLE:
        if row.reply is None:
            writers = [user for user in USERS if row.pattern in permissions_of(user).publish]
            assert writers == sorted({row.owner, *row.callers}, key=USERS.index)


@pytest.mark.parametrize("user", USERS)
def test_inbox_is_the_users_own(user: str) -> None:
    inboxes = [one for one in permissions_of(user).subscribe if one.startswith("_INBOX")]

    assert inboxes == [f"_INBOX_{user}.>"]


def test_only_the_archiver_may_purge() -> None:
    for user in USERS:
        allowed = any(
            covers(pattern, "$JS.API.STREAM.PURGE.EVT") for pattern in permissions_of(user).publish
        )
        refused = any(
            covers(pattern, "$JS.API.STREAM.PURGE.EVT") for pattern in denied_subjects(user)
        )
        assert (allowed and not refused) == (user == "archiver")


def test_only_the_pool_writes_credentials() -> None:
    writers = [
        user
        for user in USERS
        if any(covers(pattern, "$KV.credentials.x") for pattern in permissions_of(user).publish)
    ]

    assert writers == ["pool"]
