"""Files of sessions: what is wrong is named by its line, and never repeated."""

import msgspec
import pytest

from contracts.base import ServiceType
from runtime.credentials import Credential, WrongCredential
from tidegate.admin import sessionfiles
from tidegate.console.errors import CommandError

IMAGE, VIDEO = ServiceType("image"), ServiceType("video")


def credentials_in(text: str, *, as_csv: bool = False) -> list[tuple[int, Credential]]:
    found = sessionfiles.session_lines(text.encode(), "file", as_csv=as_csv)
    return [(number, one) for number, one in found if isinstance(one, Credential)]


def wrong_lines(text: str, *, as_csv: bool = False) -> str:
    found = sessionfiles.session_lines(text.encode(), "file", as_csv=as_csv)
    return sessionfiles.wrong_lines_text(
        [(number, one.reason) for number, one in found if isinstance(one, WrongCredential)]
    )


def wrong_line(text: str, *, as_csv: bool = False) -> str:
    with pytest.raises(CommandError) as error:
        credentials_in(text, as_csv=as_csv)
    return str(error.value)


def test_tokens_may_stand_alone_on_their_lines_beside_objects() -> None:
    text = 'token-one\n{"credential": "token-two", "region": "us"}\nhk-token-three\n'

    assert credentials_in(text) == [
        (1, Credential(credential="token-one")),
        (2, Credential(credential="token-two", region="us")),
        (3, Credential(credential="token-three", region="hk")),
    ]


def test_json_lines_are_read_with_the_numbers_of_their_lines() -> None:
    second = '{"credential": "b", "quota_timezone": "Asia/Tokyo"}'
    text = f'\ufeff{{"credential": "a"}}\n# a remark\n\n{second}'

    assert credentials_in(text) == [
        (1, Credential(credential="a")),
        (4, Credential(credential="b", quota_timezone="Asia/Tokyo")),
    ]


def test_csv_is_read_by_its_columns() -> None:
    text = "region,credential,limit_image,limit_video\nus,a,3,\n\n ,b,,0\n"

    assert credentials_in(text, as_csv=True) == [
        (2, Credential(region="us", credential="a", limits={IMAGE: 3})),
        (4, Credential(credential="b", limits={VIDEO: 0})),
    ]


def test_accounts_tiers_and_what_was_used_are_read_of_lines_and_columns() -> None:
    line = '{"credential": "a", "account": "x", "tier": "vip", "used": {"image": 2}}'
    table = "credential,account,tier,quota_reset_hour,used_image\na,x,vip,8,2\nb,,,,\n"
    a = Credential(credential="a", account="x", tier="vip", used={IMAGE: 2})

    assert credentials_in(line) == [(1, a)]
    assert credentials_in(table, as_csv=True) == [
        (2, msgspec.structs.replace(a, quota_reset_hour=8)),
        (3, Credential(credential="b")),
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("hush hush", "credential: expected 1 to 4096 visible"),
        ("sessionid=hush; Path=/", "credential: expected 1 to 4096 visible"),
        ("sessionid=hush;", "credential: expected the session's value alone"),
        ("sessionid=hush", "credential: expected the session's value alone"),
        ('"hush"', "credential: expected the session's value alone"),
        ("hush\0", "credential: expected 1 to 4096 visible"),
        ('{"credential": "a", "account": " hush"}', "account: expected up to 64 printable"),
        ('{"credential": "a", "tier": 1}', "tier: expected up to 64 printable"),
        ('{"credential": "a", "quota_reset_hour": 24}', "quota_reset_hour: expected a whole hour"),
        ('{"credential": "a", "used": {"image": -1}}', "used: expected whole numbers"),
        ("{hush", "expected a credential, or a JSON object"),
        ('["hush"]', "expected a JSON object"),
        ('{"region": "us"}', "credential: expected 1 to 4096 visible"),
        ('{"credential": "hush hush"}', "credential: expected 1 to 4096 visible"),
        ('{"credential": 7}', "credential: expected 1 to 4096 visible"),
        ('{"credential": "a,b"}', "credential: expected one account, and `,` separates several"),
        ('{"credential": "hush", "region": "moon"}', "region: expected one of us, hk, jp, sg"),
        ('{"credential": "hush", "timezone": "Moon/Sea"}', "timezone: expected one such as"),
        ('{"credential": "hush", "timezone": 9}', "timezone: expected one such as"),
        ('{"credential": "hush", "limits": {"image": -1}}', "limits: expected whole numbers"),
        ('{"credential": "hush", "limits": 3}', "limits: expected whole numbers"),
        ('{"credential": "hush", "status": "active"}', "expected only credential, region"),
    ],
)
def test_a_bad_line_is_named_and_not_repeated(line: str, told: str) -> None:
    found = wrong_lines(f'{{"credential": "fine"}}\n{line}\n')

    assert found.startswith("line 2: ")
    assert len(credentials_in(f'{{"credential": "fine"}}\n{line}\n')) == 1
    assert told in found
    assert "hush" not in found


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a,us", "expected 3 columns, got 2"),
        ("a,us,many", "limit_image: expected a whole number"),
        (",us,1", "credential: expected 1 to 4096"),
        ('"a"b,us,1', "expected CSV ("),
    ],
)
def test_a_bad_row_is_named(line: str, told: str) -> None:
    found = wrong_lines(f"credential,region,limit_image\nfine,,1\n{line}\n", as_csv=True)

    assert "line 3: " in found
    assert told in found


def test_all_bad_lines_are_named_up_to_a_number() -> None:
    found = wrong_lines("x x\n" * 25)

    assert "line 1: " in found
    assert "line 20: " in found
    assert "line 21: " not in found
    assert found.endswith("and 5 more")


@pytest.mark.parametrize("header", ["", "secret", "credential,colour", "credential,credential"])
def test_a_csv_without_the_right_columns_is_refused(header: str) -> None:
    assert "line 1: expected the columns credential" in wrong_line(f"{header}\na\n", as_csv=True)


def test_a_session_that_is_there_twice_is_named() -> None:
    text = '{"credential": "a"}\n{"credential": "a", "region": "us"}\n{"credential": "a"}\n'

    assert wrong_lines(text).endswith("line 3: it is the session of line 1 again")


def test_too_many_and_none_are_refused() -> None:
    assert "expected 1 to 10000 sessions, got 0" in wrong_line("# nothing\n")
    many = "".join(f'{{"credential": "c{number}"}}\n' for number in range(10_001))
    assert "got 10001" in wrong_line(many)
