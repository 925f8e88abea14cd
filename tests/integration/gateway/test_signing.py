"""Signing in over real doors and the real log, and everything that must not sign anybody in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from contracts.base import PRODUCT_VERSION, KeyId
from runtime.secrets import Sealer
from services.gateway.clients.keys import KeyScope
from services.gateway.signing.tokens import Token, TokenKind, sign_token
from tests.integration.gateway.doors import MASTER, Desk, desk
from tests.waiting import eventually

pytestmark = pytest.mark.anyio
OURS = {"x-tidegate": "1", "sec-fetch-site": "same-origin"}
SIGN_IN = "/api/sign-in"
COOKIE = "tidegate_80"
"""Named by the port that was asked, which is that of http here."""


async def as_browser(front: Desk, method: str, path: str, **given: Any) -> httpx.Response:
    """Ask without a key: as a browser would, or somebody who pretends to be one."""
    return await front.http.request(method, path, **given)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def signed_in(front: Desk, **wanted: str) -> str:
    """Sign in with a key or a link; the cookie's text."""
    answer = await as_browser(front, "POST", SIGN_IN, json=wanted, headers=OURS)
    assert answer.status_code == 200, answer.text
    front.http.cookies.clear()
    return str(answer.headers["set-cookie"].split(";")[0].removeprefix(f"{COOKIE}="))


def with_cookie(text: str, **headers: str) -> dict[str, str]:
    return {"cookie": f"other=1; {COOKIE}={text}", **headers}


async def new_link(front: Desk) -> dict[str, Any]:
    made: dict[str, Any] = await front.ask("POST", "/api/sign-in/links")
    return made


def forged(front: Desk, kind: TokenKind = TokenKind.SIGN_IN, **changes: Any) -> str:
    """A token of any content, signed as ours are unless another master key is given."""
    key = front.doors.key_log.ring.all_keys()[0]
    lasts = changes.pop("lasts", timedelta(hours=1))
    sealer = Sealer(changes.pop("master", MASTER))
    over_at = int((datetime.now(UTC) + lasts).timestamp())
    token = Token("sgn_forged", KeyId(changes.pop("key_id", key.key_id)), over_at)
    return sign_token(sealer, kind, token, changes.pop("key_hash", key.hash))


async def test_operators_key_signs_in_and_its_cookie_opens_what_the_key_opens(alone: Desk) -> None:
    answer = await as_browser(alone, "POST", SIGN_IN, json={"key": alone.admin}, headers=OURS)
    text = answer.headers["set-cookie"]
    cookie = await signed_in(alone, key=alone.admin)

    assert answer.json() | {"expires_at": ""} == {
        "key_id": answer.json()["key_id"],
        "key_name": "root",
        "scope": "admin",
        "expires_at": "",
        "version": PRODUCT_VERSION,
    }
    assert text.startswith(f"{COOKIE}=")
    assert text.endswith("; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict")
    assert alone.admin not in text
    listed = await as_browser(alone, "GET", "/api/keys", headers=with_cookie(cookie))
    assert listed.status_code == 200
    named = {"name": "made by cookie"}
    issued = await as_browser(
        alone, "POST", "/api/keys", json=named, headers=with_cookie(cookie, **OURS)
    )
    assert issued.status_code == 201
    schema = await as_browser(alone, "GET", "/schema/openapi.json", headers=with_cookie(cookie))
    assert schema.status_code == 200
    who = await as_browser(alone, "GET", SIGN_IN, headers=with_cookie(cookie))
    assert who.json()["key_name"] == "root"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"key": "sk-admin-wrong"}, (401, "invalid_api_key")),
        ({"key": "client"}, (403, "model_not_allowed")),
        ({"link": "nonsense"}, (401, "sign_in_link_invalid")),
        ({"link": "WyJhIl0.AAAA"}, (401, "sign_in_link_invalid")),
        ({"link": "é.é"}, (401, "sign_in_link_invalid")),
        ({}, (400, "invalid_request")),
        ({"key": "a", "link": "b"}, (400, "invalid_request")),
        ({"other": "a"}, (400, "invalid_request")),
    ],
)
async def test_what_signs_nobody_in_is_refused(
    alone: Desk, body: dict[str, str], expected: tuple[int, str]
) -> None:
    wanted = {"key": alone.client_key} if body.get("key") == "client" else body

    answer = await as_browser(alone, "POST", SIGN_IN, json=wanted, headers=OURS)

    assert code_of(answer) == expected
    assert "set-cookie" not in answer.headers


async def test_a_body_is_taken_from_nobody_beyond_what_signing_in_needs(alone: Desk) -> None:
    long = await as_browser(alone, "POST", SIGN_IN, json={"key": "k" * 20_000}, headers=OURS)
    garbage = await as_browser(alone, "POST", SIGN_IN, content=b"\xff{", headers=OURS)

    assert code_of(long) == (413, "request_too_large")
    assert code_of(garbage) == (400, "invalid_request")


async def test_a_link_signs_in_once_and_both_ends_are_in_the_log(alone: Desk) -> None:
    link = await new_link(alone)

    assert link["url"] == f"http://gateway/#in={link['link']}"
    cookie = await signed_in(alone, link=link["link"])
    again = await as_browser(alone, "POST", SIGN_IN, json={"link": link["link"]}, headers=OURS)
    assert code_of(again) == (401, "sign_in_link_invalid")
    assert "used already" in again.text
    out = await as_browser(alone, "DELETE", SIGN_IN, headers=with_cookie(cookie, **OURS))
    assert out.json() == {"signed_out": True}
    assert "Max-Age=0" in out.headers["set-cookie"]
    after = await as_browser(alone, "GET", "/api/keys", headers=with_cookie(cookie))
    assert code_of(after) == (401, "sign_in_ended")
    page = await alone.ask("GET", "/api/events?type=sign_in_link_used,signed_out")
    assert [event["type"] for event in page["data"]] == ["sign_in_link_used", "signed_out"]
    assert cookie not in str(page)
    assert link["link"] not in str(page)


async def test_a_link_has_room_in_a_line_of_a_terminal(alone: Desk) -> None:
    link = await new_link(alone)

    assert len(f"http://127.0.0.1:8080/#in={link['link']}") < 78


async def test_whatever_is_changed_in_a_link_it_signs_nobody_in(alone: Desk) -> None:
    """A character of each of its parts, its length, and a link of somebody else's master key."""
    text = (await new_link(alone))["link"]
    changed = [f"{text[:at]}{'A' if text[at] != 'A' else 'B'}{text[at + 1 :]}" for at in (0, 8, 30)]
    changed += [f"{text[:-1]}{'A' if text[-1] != 'A' else 'B'}", text[:-1], f"{text}A", f"{text}."]
    ours = alone.doors.key_log.ring.all_keys()[0]
    later = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    token = Token(f"lnk_{'0' * 16}", ours.key_id, later)
    changed.append(sign_token(Sealer("another master key"), TokenKind.LINK, token, ours.hash))

    answers = [
        await as_browser(alone, "POST", SIGN_IN, json={"link": one}, headers=OURS)
        for one in changed
    ]

    assert {code_of(answer) for answer in answers} == {(401, "sign_in_link_invalid")}
    assert await signed_in(alone, link=text)


async def test_a_link_that_was_used_at_one_gateway_is_used_at_all(
    nats_client: Client, alone: Desk
) -> None:
    """A second gateway that follows the same log is given the link, and the cookie that is over."""
    link = await new_link(alone)
    cookie = await signed_in(alone, link=link["link"])
    async with desk(nats_client) as other:
        given = await as_browser(other, "POST", SIGN_IN, json={"link": link["link"]}, headers=OURS)
        there = await as_browser(other, "GET", SIGN_IN, headers=with_cookie(cookie))
        await as_browser(alone, "DELETE", SIGN_IN, headers=with_cookie(cookie, **OURS))

        async def over() -> bool:
            answer = await as_browser(other, "GET", SIGN_IN, headers=with_cookie(cookie))
            return answer.status_code == 401

        await eventually(over)

    assert code_of(given) == (401, "sign_in_link_invalid")
    assert there.status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"lasts": timedelta(seconds=-1)},
        {"master": "another master key"},
        {"key_id": "key_nobody"},
        {"key_hash": "0" * 64},
        {"kind": TokenKind.LINK},
    ],
    ids=["expired", "another master key", "unknown key", "rotated key", "a link as a cookie"],
)
async def test_a_token_that_is_not_ours_or_over_opens_nothing(
    alone: Desk, changes: dict[str, Any]
) -> None:
    good = await as_browser(alone, "GET", "/api/keys", headers=with_cookie(forged(alone)))
    bad = await as_browser(alone, "GET", "/api/keys", headers=with_cookie(forged(alone, **changes)))

    assert good.status_code == 200
    assert code_of(bad) == (401, "sign_in_ended")


async def test_a_cookie_is_no_link(alone: Desk) -> None:
    cookie = await signed_in(alone, key=alone.admin)

    answer = await as_browser(alone, "POST", SIGN_IN, json={"link": cookie}, headers=OURS)

    assert code_of(answer) == (401, "sign_in_link_invalid")


async def test_whatever_is_changed_in_a_token_it_opens_nothing(alone: Desk) -> None:
    text = forged(alone)
    payload, _, signature = text.partition(".")
    changed = [
        payload,
        f"{payload}.",
        f".{signature}",
        f"{payload}.{signature[:-2]}",
        f"{payload[:-2]}AA.{signature}",
        f"{payload}=.{signature}",
        "x" * 5000,
        "!.!",
    ]

    answers = [
        await as_browser(alone, "GET", "/api/keys", headers=with_cookie(wrong)) for wrong in changed
    ]

    assert {code_of(answer) for answer in answers} == {(401, "sign_in_ended")}


@pytest.mark.parametrize(
    ("method", "headers", "reason"),
    [
        ("GET", {"sec-fetch-site": "cross-site"}, "Sec-Fetch-Site"),
        ("GET", {"sec-fetch-site": "same-site"}, "Sec-Fetch-Site"),
        ("GET", {"origin": "http://evil.example"}, "Origin"),
        ("GET", {"origin": "null"}, "Origin"),
        ("GET", {"origin": "http://gateway:81"}, "Origin"),
        ("POST", {"x-tidegate": "1", "sec-fetch-site": "none"}, "Sec-Fetch-Site"),
        ("POST", {"x-tidegate": "1", "sec-fetch-site": "same-site"}, "Sec-Fetch-Site"),
        ("POST", {"x-tidegate": "1", "origin": "http://other"}, "Origin"),
        ("POST", {"sec-fetch-site": "same-origin"}, "X-Tidegate"),
        ("DELETE", {}, "X-Tidegate"),
    ],
)
async def test_requests_that_other_pages_could_have_made_are_refused(
    alone: Desk, method: str, headers: dict[str, str], reason: str
) -> None:
    cookie = await signed_in(alone, key=alone.admin)
    path = SIGN_IN if method == "DELETE" else "/api/keys"

    answer = await as_browser(
        alone, method, path, headers=with_cookie(cookie, **headers), json={"name": "x"}
    )

    assert code_of(answer) == (403, "cross_site_refused")
    assert answer.json()["error"]["message"].startswith(f"{reason}: expected")
    assert len(alone.doors.key_log.ring.all_keys()) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "http://gateway"},
        {"origin": "http://gateway:80"},
        {"origin": "https://gateway"},
        {},
    ],
)
async def test_requests_of_our_own_page_are_answered(alone: Desk, headers: dict[str, str]) -> None:
    cookie = await signed_in(alone, key=alone.admin)

    answer = await as_browser(alone, "GET", "/api/keys", headers=with_cookie(cookie, **headers))

    assert answer.status_code == 200


async def test_signing_in_too_is_for_our_own_page_alone(alone: Desk) -> None:
    answer = await as_browser(alone, "POST", SIGN_IN, json={"key": alone.admin})

    assert code_of(answer) == (403, "cross_site_refused")


async def test_a_host_that_is_none_of_ours_is_refused_by_cookie(alone: Desk) -> None:
    """A name of a stranger's that leads here (DNS rebinding) gets nothing, whatever it brings."""
    cookie = await signed_in(alone, key=alone.admin)

    answer = await as_browser(
        alone, "GET", "/api/keys", headers=with_cookie(cookie, host="evil.example")
    )

    assert code_of(answer) == (421, "host_not_allowed")


async def test_behind_a_front_that_speaks_https_the_cookie_is_secure(nats_client: Client) -> None:
    proxied = {**OURS, "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.9"}
    async with desk(nats_client, trusted_proxies=["127.0.0.1"]) as front:
        answer = await as_browser(
            front, "POST", SIGN_IN, json={"key": front.admin}, headers=proxied
        )
        name, _, rest = answer.headers["set-cookie"].partition("=")
        cookie = {"cookie": f"{name}={rest.split(';')[0]}"}
        plain = await as_browser(
            front, "GET", "/api/keys", headers={**proxied, **cookie, "origin": "http://gateway"}
        )
        good = await as_browser(
            front, "GET", "/api/keys", headers={**proxied, **cookie, "origin": "https://gateway"}
        )

    assert (name, answer.headers["set-cookie"].endswith("; Secure")) == ("tidegate_443", True)
    assert code_of(plain) == (403, "cross_site_refused")
    assert good.status_code == 200


async def test_viewers_read_everything_and_change_nothing(alone: Desk) -> None:
    """By key and by cookie alike; every path that changes something refuses them."""
    issued = await alone.ask("POST", "/api/keys", 201, json={"name": "eve", "scope": "viewer"})
    key = {"authorization": f"Bearer {issued['key']}"}
    cookie = with_cookie(await signed_in(alone, key=issued["key"]), **OURS)
    changing = [
        ("POST", "/api/keys"),
        ("DELETE", f"/api/keys/{issued['id']}"),
        ("POST", "/api/sql"),
        ("POST", "/api/sign-in/links"),
        ("PATCH", "/api/sessions/ses_x"),
        ("PUT", "/api/servers/strategy"),
    ]

    for headers in (key, cookie):
        assert (await as_browser(alone, "GET", "/api/keys", headers=headers)).status_code == 200
        assert (await as_browser(alone, "HEAD", "/api/keys", headers=headers)).status_code == 200
        for method, path in changing:
            answer = await as_browser(alone, method, path, headers=headers, json={"name": "x"})
            assert code_of(answer) in {(403, "read_only_key"), (405, "method_not_allowed")}, path
    assert issued["key"].startswith("sk-viewer-")
    who = await as_browser(alone, "GET", SIGN_IN, headers=cookie)
    assert who.json()["scope"] == KeyScope.VIEWER
    assert (await as_browser(alone, "DELETE", SIGN_IN, headers=cookie)).json() == {
        "signed_out": True
    }


async def test_a_key_that_is_revoked_or_rotated_takes_its_sign_ins_with_it(alone: Desk) -> None:
    issued = await alone.ask("POST", "/api/keys", 201, json={"name": "second", "scope": "admin"})
    cookie = await signed_in(alone, key=issued["key"])
    path = f"/api/keys/{issued['id']}"
    kept = await alone.ask("POST", f"{path}/rotate", json={"grace_s": 600})
    in_grace = await as_browser(alone, "GET", SIGN_IN, headers=with_cookie(cookie))
    await alone.ask("POST", f"{path}/rotate")
    rotated = await as_browser(alone, "GET", SIGN_IN, headers=with_cookie(cookie))
    newest = await alone.ask("POST", f"{path}/rotate")
    cookie = await signed_in(alone, key=newest["key"])
    await alone.ask("DELETE", path)
    revoked = await as_browser(alone, "GET", SIGN_IN, headers=with_cookie(cookie))

    assert kept["key"] != issued["key"]
    assert in_grace.status_code == 200
    assert code_of(rotated) == code_of(revoked) == (401, "sign_in_ended")


async def test_a_key_stands_before_a_cookie(alone: Desk) -> None:
    cookie = await signed_in(alone, key=alone.admin)
    client = {"authorization": f"Bearer {alone.client_key}"}

    answer = await as_browser(alone, "GET", "/api/keys", headers=with_cookie(cookie, **client))

    assert code_of(answer) == (403, "model_not_allowed")
