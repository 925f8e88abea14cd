"""Sessions by page, with the real pool behind the doors."""

from typing import Any

import nats
import pytest

from contracts.base import SessionId
from contracts.pool import lists
from contracts.subjects import CREDENTIALS_BUCKET
from runtime.secrets import Sealer
from services.gateway.accounts import endings
from services.gateway.routes.admin.sessions import looking, paging
from services.pool import domain
from services.pool.commits import batches
from services.pool.domain import listing
from services.pool.domain.decide import bulk
from tests.integration.gateway.doors import Desk

pytestmark = pytest.mark.anyio


async def added_sessions(front: Desk, count: int) -> list[str]:
    """Add sessions; their ids in the order in which the pool has them, all there are."""
    wanted = [
        {"credential": f"credential-{n}", "region": "us" if n % 2 else ""} for n in range(count)
    ]
    await front.ask("POST", "/api/sessions", 200, json=wanted)
    return [one["session_id"] for one in (await front.ask("GET", "/api/sessions"))["data"]]


async def sessions_by_page(front: Desk, query: str, limit: int) -> list[str]:
    """Follow the cursor to the end; all pages but the last are full."""
    every: list[str] = []
    cursor = ""
    while True:
        page = await front.ask("GET", f"/api/sessions?{query}&limit={limit}&cursor={cursor}")
        every += [one["session_id"] for one in page["data"]]
        cursor = page["next"]
        if not cursor:
            return every
        assert len(page["data"]) == limit


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks of four sessions, and three shown at once, so that lists are put together of many."""
    monkeypatch.setattr(bulk, "BULK_MAX", 2)
    monkeypatch.setattr(domain, "BULK_MAX", 2)
    for room in (lists, listing, batches, looking):
        monkeypatch.setattr(room, "LOOKED_MAX", 4)
    monkeypatch.setattr(paging, "_SHOWN_AT_ONCE", 3)


@pytest.mark.usefixtures("narrow")
async def test_pages_put_together_are_every_session_those_that_retired_last(staffed: Desk) -> None:
    every = await added_sessions(staffed, 17)
    for session in every[2:4]:
        await staffed.ask("DELETE", f"/api/sessions/{session}")
    standing = [session for session in every if session not in every[2:4]]

    assert await sessions_by_page(staffed, "sort=added", 4) == [*standing, *every[2:4]]
    backwards = [*standing[::-1], *every[2:4][::-1]]
    assert await sessions_by_page(staffed, "sort=-added", 4) == backwards
    by_id = [*sorted(standing), *sorted(every[2:4])]
    assert await sessions_by_page(staffed, "sort=id", 3) == by_id
    back_by_id = [*sorted(standing)[::-1], *sorted(every[2:4])[::-1]]
    assert await sessions_by_page(staffed, "sort=-id", 3) == back_by_id


@pytest.mark.usefixtures("narrow")
async def test_a_filter_is_kept_over_pages_and_sequences_are_told(staffed: Desk) -> None:
    every = await added_sessions(staffed, 12)
    gone, off = every[1], every[5]
    await staffed.ask("DELETE", f"/api/sessions/{gone}")
    await staffed.ask("PATCH", f"/api/sessions/{off}", json={"status": "disabled"})

    assert await sessions_by_page(staffed, "status=disabled,retired", 2) == [off, gone]
    assert await sessions_by_page(staffed, "status=retired&sort=remaining", 1) == [gone]
    assert await sessions_by_page(staffed, f"q={off[4:16].upper()}", 1) == [off]
    assert len(await sessions_by_page(staffed, "q=us&status=active", 2)) >= 4
    page = await staffed.ask("GET", "/api/sessions?limit=2")
    assert page["sequence"] > 0
    assert page["total"] == len(every) - 1


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("sort", ["added", "-added", "id", "-id"])
async def test_a_page_begins_anywhere_in_a_list_that_is_kept(staffed: Desk, sort: str) -> None:
    every = await added_sessions(staffed, 17)
    await staffed.ask("DELETE", f"/api/sessions/{every[3]}")
    whole = await sessions_by_page(staffed, f"sort={sort}", 5)

    first = await staffed.ask("GET", f"/api/sessions?sort={sort}&limit=4&offset=0")
    of_it = f"sort={sort}&limit=4&order={first['order']}"
    last = await staffed.ask("GET", f"/api/sessions?{of_it}&offset={len(whole) - 4}")
    middle = await staffed.ask("GET", f"/api/sessions?{of_it}&offset=9")
    behind = await staffed.ask("GET", f"/api/sessions?sort={sort}&limit=99&cursor={middle['next']}")
    beyond = await staffed.ask("GET", f"/api/sessions?{of_it}&offset={len(whole)}")

    def ids_of(page: dict[str, Any]) -> list[str]:
        return [one["session_id"] for one in page["data"]]

    assert [ids_of(page) for page in (first, last, middle)] == [whole[:4], whole[-4:], whole[9:13]]
    assert ids_of(behind) == whole[13:]
    assert {page["fitting"] for page in (first, last, middle, beyond)} == {len(whole)}
    assert {page["order"] for page in (last, middle)} == {first["order"]}
    assert (last["next"], beyond["next"], beyond["data"]) == ("", "", [])


@pytest.mark.usefixtures("narrow")
async def test_a_list_is_found_to_its_end_whatever_the_length_of_looks(
    staffed: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool of another version looks at more, or fewer, sessions at a time than we expect."""
    every = await added_sessions(staffed, 17)
    seen = {}
    for length in (3, 4, 7, 2000):
        monkeypatch.setattr(looking, "LOOKED_MAX", length)
        page = await staffed.ask("GET", "/api/sessions?sort=id&offset=0&limit=99")
        seen[length] = [one["session_id"] for one in page["data"]]

    assert seen == dict.fromkeys((3, 4, 7, 2000), sorted(every))


async def test_a_list_that_is_kept_no_more_is_put_in_order_anew(staffed: Desk) -> None:
    await added_sessions(staffed, 3)
    kept = await staffed.ask("GET", "/api/sessions?offset=0")

    other = await staffed.ask("GET", f"/api/sessions?offset=0&sort=id&order={kept['order']}")
    gone = await staffed.ask("GET", "/api/sessions?offset=0&order=0123456789abcdef")

    assert len({kept["order"], other["order"], gone["order"]}) == 3
    assert gone["fitting"] == kept["fitting"]


async def test_sessions_are_asked_for_by_name_as_they_are_now(staffed: Desk) -> None:
    every = await added_sessions(staffed, 6)
    wanted = [every[4], every[1]]
    await staffed.ask("PATCH", f"/api/sessions/{wanted[0]}", json={"status": "draining"})

    page = await staffed.ask("GET", f"/api/sessions?ids={','.join(wanted)},ses_nobody")

    assert [(one["session_id"], one["status"]) for one in page["data"]] == [
        (wanted[0], "draining"),
        (wanted[1], "active"),
    ]
    assert (page["total"], page["next"]) == (len(every), "")


@pytest.mark.parametrize(
    ("query", "param", "expected"),
    [
        ("offset=-1", "offset", "offset"),
        ("offset=0&cursor=x", "offset", "expected no cursor beside it"),
        ("order=x", "order", "expected offset beside it"),
        ("ids=a&status=active", "ids", "expected nothing else"),
        ("ids=a&offset=0", "ids", "expected nothing else"),
        (f"ids={','.join('a' * 201)}", "ids", "expected at most 200 ids, got 201"),
        ("status=tired", "status", "expected one of active, cooling"),
        ("status=active,", "status", "expected one of active, cooling"),
        ("service_type=tea", "service_type", "expected one of "),
        (f"q={'x' * 201}", "q", "at most 200 characters, got 201"),
        ("sort=beauty", "sort", "expected one of added, id"),
        ("sort=--id", "sort", "expected one of added, id"),
        ("cursor=x", "cursor", "`next` of the page before"),
        ("cursor=é", "cursor", "`next` of the page before"),
    ],
)
async def test_what_cannot_be_listed_is_refused_by_name(
    staffed: Desk, query: str, param: str, expected: str
) -> None:
    error = await staffed.refused("GET", f"/api/sessions?{query}", 400)

    assert error["param"] == param
    assert expected in error["message"]


async def test_a_cursor_of_another_list_is_refused(staffed: Desk) -> None:
    await added_sessions(staffed, 3)
    page: dict[str, Any] = await staffed.ask("GET", "/api/sessions?limit=1")

    error = await staffed.refused("GET", f"/api/sessions?sort=id&cursor={page['next']}", 400)

    assert error["param"] == "cursor"


@pytest.mark.usefixtures("narrow")
async def test_those_that_fit_are_changed_and_retired_a_look_at_a_time(staffed: Desk) -> None:
    """Looks of four sessions, in stretches of two: seventeen and more are changed to the end."""
    every = await added_sessions(staffed, 17)

    tried = await staffed.ask("PATCH", "/api/sessions?all=true&dry_run=true", json=DISABLED)
    done = await staffed.ask("PATCH", "/api/sessions?all=true", json=DISABLED)
    again = await staffed.ask("PATCH", "/api/sessions?all=true", json=DISABLED)
    removed = await staffed.ask("DELETE", "/api/sessions?status=disabled&q=us")

    count = len(every)
    assert tried == {"fitting": count, "changed": count, "dry_run": True}
    assert done == {"fitting": count, "changed": count, "dry_run": False}
    assert again == {"fitting": count, "changed": 0, "dry_run": False}
    retired = await sessions_by_page(staffed, "status=retired", 3)
    assert removed == {"fitting": len(retired), "changed": len(retired), "dry_run": False}
    assert len(retired) >= 8
    left = await sessions_by_page(staffed, "status=disabled", 3)
    assert len(left) + len(retired) == count


DISABLED = {"status": "disabled", "reason": "all of them"}


@pytest.mark.parametrize(
    ("method", "query", "body", "param", "expected"),
    [
        ("PATCH", "", DISABLED, "all", "expected status, service_type, label or q; or all=true"),
        ("PATCH", "all=true&q=x", DISABLED, "all", "or all=true, alone"),
        ("DELETE", "dry_run=true", None, "all", "expected status"),
        ("PATCH", "q=x", {}, None, "at least one of status, cool_s, label"),
        ("PATCH", "q=x", {"status": "retired"}, "status", "expected one of active, draining"),
        ("PATCH", "q=x", {"limits": {}}, "limits", "no such field"),
        ("PATCH", "q=x", {"label": "a\nb"}, "label", "64 printable characters"),
        ("PATCH", "q=x", {"cool_s": 1, "reason": "x" * 501}, "reason", "<= 500"),
    ],
)
async def test_what_cannot_be_changed_for_many_is_refused_by_name(
    staffed: Desk,
    method: str,
    query: str,
    body: dict[str, Any] | None,
    param: str | None,
    expected: str,
) -> None:
    error = await staffed.refused(method, f"/api/sessions?{query}", 400, json=body)

    assert error["param"] == param
    assert expected in error["message"]


async def test_credentials_show_their_last_four_characters_to_operators(staffed: Desk) -> None:
    """A proxy before it is no part of it; a short one, and one of another key, show nothing."""
    given = ["credential-wxyz", "http://user:pass@host:80@credential-abcd", "short", "another-key1"]
    wanted = [{"credential": text} for text in given]
    added = (await staffed.ask("POST", "/api/sessions", 200, json=wanted))["data"]
    foreign = Sealer("another").seal_credential(added[3], given[3])
    await staffed.doors.client.request(f"$KV.{CREDENTIALS_BUCKET}.{added[3]}", foreign)

    page = await staffed.ask("GET", "/api/sessions")
    one = await staffed.ask("GET", f"/api/sessions/{added[0]}")
    changed = await staffed.ask("PATCH", f"/api/sessions/{added[1]}", json={"cool_s": 1})
    ends = {view["session_id"]: view.get("credential_end", "") for view in page["data"]}

    assert [ends[session] for session in added] == ["wxyz", "abcd", "", ""]
    assert (one["credential_end"], changed["credential_end"]) == ("wxyz", "abcd")
    assert 0 < page["sequence"] <= one["sequence"] < changed["sequence"]
    assert "wxyz" not in str(staffed.logged)


async def test_ends_of_more_credentials_than_one_question_may_ask_for_are_told(
    staffed: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "_AT_ONCE", 2)
    ids = [SessionId(session) for session in await added_sessions(staffed, 5)]

    ends = await endings.credential_ends(staffed.doors.client, staffed.doors.sealer, ids)

    assert set(ends) >= set(ids[2:])
    assert {end[:3] for end in ends.values()} >= {"al-"}


async def test_sessions_are_listed_where_their_credentials_cannot_be_read(staffed: Desk) -> None:
    ids = [SessionId(session) for session in await added_sessions(staffed, 2)]
    closed = await nats.connect(staffed.doors.client.connected_url.geturl())
    await closed.close()

    assert await endings.credential_ends(closed, staffed.doors.sealer, ids) == {}
