"""One reader of credentials for every door: what is wrong is named, and never repeated."""

import pytest

from runtime.credentials import (
    Credential,
    WrongCredential,
    WrongCredentialError,
    credential_of,
    credentials_fault,
    credentials_in,
)
from runtime.secrets import session_identity

SECRET = "topsecret"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (
            b"a\n\n# b\nus-c\r\n",
            [(1, Credential(credential="a")), (4, us := Credential(credential="c", region="us"))],
        ),
        (b"\xef\xbb\xbfa\n", [(1, Credential(credential="a"))]),
        (b"  us-c \t\n", [(1, us)]),
        (b'{"credential":"c","region":"us"}', [(1, us)]),
        (b"US-c", [(1, us)]),
        (b'{"credential":"us-c"}', [(1, us)]),
        (b'{"credential":"us-c","region":"us"}', [(1, us)]),
        (
            b"http://u:p=1@h:1@jp-c",
            [(1, Credential(credential="http://u:p=1@h:1@c", region="jp"))],
        ),
        (b"xx-c", [(1, Credential(credential="xx-c"))]),
        (b"YWJj==", [(1, Credential(credential="YWJj=="))]),
        (
            b"a\x0bb\xc2\x85c\xe2\x80\xa8d",
            [
                (
                    1,
                    WrongCredential(
                        "credential: expected 1 to 4096 visible ASCII characters, no blanks"
                    ),
                )
            ],
        ),
    ],
)
def test_lines_are_read(data: bytes, found: list[tuple[int, Credential | WrongCredential]]) -> None:
    assert list(credentials_in(data)) == found


@pytest.mark.parametrize(
    "line",
    [
        b"topsecret\0",
        b"topsecret two",
        b"topsecret,two",
        b"topsecret # a remark",
        b"sessionid=topsecret",
        b"Cookie:sessionid=topsecret",
        b"a;sessionid=topsecret",
        b'"topsecret"',
        b"'topsecret'",
        b"topsecret\xff",
        "topsecretgeheimnisß".encode(),
        b"topsecret" * 500,
        b'{"credential":"topsecret\\n"}',
        b'{"credential":"topsecret","region":"xx"}',
        b'{"credential":"topsecret","region":7}',
        b'{"credential":"us-topsecret","region":"hk"}',
        b"us-http://u:p@h:1@hk-topsecret",
        b'{"credential":"topsecret","limits":{"image":-1}}',
        b'{"credential":"topsecret","limits":{"image":true}}',
        b'{"credential":"topsecret","limits":{"image":9007199254740992}}',
        b'{"credential":"topsecret","limits":["image"]}',
        b'{"credential":"topsecret","quota_timezone":"../x"}',
        b'{"credential":"topsecret","timezone":["x"]}',
        b'{"credential":"a","topsecret":1}',
        b'{"topsecret":"a"}',
        b'["topsecret"]',
        b'{"topsecret',
        b'{"a":' * 100_000,
        b"us-",
        b"http://u:topsecret@10.0.0.1:1080",
        b"http://topsecret:1080",
        b"http://topsecret:1080@",
        b"us-http://topsecret:1080@",
        b"http://topsecret:1080@us-",
    ],
)
def test_one_bad_line_costs_none_of_the_others(line: bytes) -> None:
    found = list(credentials_in(b"good\n" + line + b"\nalso-good\n"))

    assert [number for number, one in found if isinstance(one, Credential)] == [1, 3]
    fault = credentials_fault(found)
    assert fault is not None
    assert fault.startswith("line 2: ")
    assert SECRET not in fault


def test_what_a_line_does_not_say_is_said_for_all() -> None:
    defaults = {"region": "us", "timezone": "Asia/Tokyo"}
    found = list(
        credentials_in(
            b'a\njp-b\n{"credential":"c","timezone":"UTC"}\n{"credential":"hk-c"}', None, defaults
        )
    )

    assert [
        (one.region, one.quota_timezone) for _, one in found if isinstance(one, Credential)
    ] == [
        ("us", "Asia/Tokyo"),
        ("jp", "Asia/Tokyo"),
        ("us", "UTC"),
        ("hk", "Asia/Tokyo"),
    ]


@pytest.mark.parametrize(
    ("region", "bare", "named"),
    [
        ("us", "us-c", "c"),
        ("us", "Us-c", "c"),
        ("jp", "http://u:p@h:1@jp-c", "http://u:p@h:1@c"),
        ("jp", "jp-http://u:p@h:1@c", "http://u:p@h:1@c"),
        ("us", "us-hk-c", "hk-c"),
    ],
)
def test_spelling_of_a_credential_decides_nothing(region: str, bare: str, named: str) -> None:
    (_, line), (_, json) = credentials_in(f'{bare}\n{{"credential":"{bare}"}}\n'.encode())

    assert line == json == Credential(credential=named, region=region)
    assert credential_of({"credential": bare, "region": region}) == line
    assert credential_of({"credential": line.as_text}) == line, "it is read as what it was"


def test_region_that_contradicts_the_prefix_is_named_with_it() -> None:
    with pytest.raises(WrongCredentialError, match=r"^region: expected one, got hk, and us- "):
        credential_of({"credential": "us-topsecret", "region": "hk"})


@pytest.mark.parametrize("older", ["us-c", "US-c", "uS-c", "Us-c"])
def test_session_that_an_earlier_version_made_is_the_same_account(older: str) -> None:
    earlier = session_identity("key", "", older)

    identities = credential_of({"credential": "c", "region": "us"}).credentials_by_id("key")

    assert next(iter(identities)) == session_identity("key", "us", "c")
    assert identities[earlier] == Credential(credential=older)
    assert credential_of({"credential": "us-c"}).credentials_by_id("key") == identities


def test_behind_a_proxy_too() -> None:
    identities = credential_of({"credential": "http://h:1@c", "region": "us"}).credentials_by_id(
        "key"
    )

    earlier = identities[session_identity("key", "", "http://h:1@us-c")]
    assert earlier.credential == "http://h:1@us-c"


@pytest.mark.parametrize("proxy", ["", "http://u:old@10.0.0.1:1080@", "socks5://10.0.0.2:1@"])
@pytest.mark.parametrize("region", ["", "us"])
def test_proxy_is_a_way_and_no_account(proxy: str, region: str) -> None:
    credential = credential_of({"credential": f"{proxy}token", "region": region})
    identities = credential.credentials_by_id("key")
    older = session_identity("key", region, f"{proxy}token")

    assert credential.session_identity("key") == session_identity("key", region, "token")
    assert identities[credential.session_identity("key")] == credential
    assert identities[older] == credential, "what earlier versions made is known, and sent as it is"


def test_region_kept_in_an_account_without_a_proxy_stays_there_behind_one() -> None:
    identities = credential_of({"credential": "http://h:1@us-c"}).credentials_by_id("key")

    kept = identities[session_identity("key", "", "us-c")]
    assert kept == Credential(credential="http://h:1@us-c")


def test_account_with_an_at_sign_is_whole() -> None:
    one, other = (
        credential_of({"credential": f"{name}@example.com"}).session_identity("key")
        for name in ("alice", "bob")
    )

    assert one != other


def test_credential_without_a_region_is_one_session() -> None:
    assert len(credential_of({"credential": "c"}).credentials_by_id("key")) == 1


def test_limits_may_name_the_service_types_that_there_are() -> None:
    given = {"credential": "a", "limits": {"music": 1}}

    assert credential_of(given).limits
    with pytest.raises(WrongCredentialError, match=r"limits: expected service types \(image\)"):
        credential_of(given, ["image"])


def test_nothing_is_printed_of_a_credential() -> None:
    assert SECRET not in repr(Credential(credential=SECRET))
