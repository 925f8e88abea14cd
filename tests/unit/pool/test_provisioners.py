"""Which credentials the pool still lacks."""

import asyncio
from pathlib import Path

import pytest

from services.pool.provisioners import (
    Credential,
    Known,
    Provisioner,
    ProvisionError,
    make_provisioner,
)
from services.pool.settings import ProvisionerSection


def nobody(_: Credential) -> bool:
    return False


def lacking(made: Provisioner, wanted: int, known: Known, at_most: int) -> list[Credential]:
    return asyncio.run(made.lacking_credentials(wanted, known, at_most))


def test_generated_credentials_are_as_many_as_wanted_and_all_different() -> None:
    made = lacking(make_provisioner(ProvisionerSection(kind="generated")), 30, nobody, 20)

    assert len({one.credential for one in made}) == 20
    assert lacking(make_provisioner(ProvisionerSection(kind="generated")), 0, nobody, 20) == []


def test_no_provisioner_has_no_credentials() -> None:
    assert lacking(make_provisioner(ProvisionerSection(kind="none")), 30, nobody, 20) == []


def test_file_names_regions_limits_and_skips_what_the_pool_had(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text('hk-a\nxx-b\n#c\n\n{"credential":"d","region":"jp","quota_timezone":"UTC"}\n')
    made = make_provisioner(ProvisionerSection(kind="file", path=str(file)))

    found = lacking(made, 0, lambda one: one.credential == "a", 9)

    assert found == [
        Credential(credential="xx-b"),
        Credential(credential="d", region="jp", quota_timezone="UTC"),
    ]
    assert lacking(made, 0, nobody, 1) == [Credential(credential="xx-b")]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b'{"credential":"topsecret","limits":{"image":-1}}', "line 1: "),
        (b'{"credential":"topsecret","colour":1}', "line 1: "),
        (b'{"credential":"topsecret"}\xff', "line 1: expected UTF-8"),
        (b'{"credential":"a","topsecret":1}', "line 1: expected only credential, region"),
        (b"\ntopsecret,two", "line 2: credential: expected one account"),
        (b"\xff\xfe", "line 1: expected UTF-8"),
        (b"null", "line 1: expected a credential, not a heading or a JSON scalar"),
        (b"#\ntrue", "line 2: expected a credential, not"),
        (b"-12.5", "line 1: expected a credential, not"),
        (b"sessionid\r\n", "line 1: expected a credential, not"),
    ],
)
def test_wrong_line_is_named_without_its_credential(
    tmp_path: Path, text: bytes, named: str
) -> None:
    file = tmp_path / "credentials"
    file.write_bytes(text)

    with pytest.raises(ProvisionError, match=named) as error:
        lacking(make_provisioner(ProvisionerSection(kind="file", path=str(file))), 0, nobody, 9)

    assert "topsecret" not in str(error.value)


def test_bad_lines_are_named_and_cost_none_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text('one\n{"topsecret\nus-topsecret,b\n{"credential":"topsecret,c"}\ntwo\n')
    made = make_provisioner(ProvisionerSection(kind="file", path=str(file)))

    found = lacking(made, 0, nobody, 9)

    assert [one.credential for one in found] == ["one", "two"]
    for number in (2, 3, 4):
        assert f"line {number}: " in made.complaint
    assert "topsecret" not in made.complaint
    file.write_text("one\ntwo\nthree\n")
    assert len(lacking(made, 0, nobody, 9)) == 3
    assert made.complaint == ""


def test_limits_name_service_types_that_there_are(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text('{"credential":"a","limits":{"imgae":3}}\n{"credential":"b"}\n')
    section = ProvisionerSection(kind="file", path=str(file))
    made = make_provisioner(section, services={"image", "video"})

    assert [one.credential for one in lacking(made, 0, nobody, 9)] == ["b"]
    assert "line 1: limits: expected service types" in made.complaint


def test_of_many_bad_lines_a_few_are_named(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("one\n" + "a,b\n" * 30)
    made = make_provisioner(ProvisionerSection(kind="file", path=str(file)))

    lacking(made, 0, nobody, 9)

    assert "line 6: " in made.complaint
    assert made.complaint.endswith("(and 25 more)")


def test_missing_file_is_named(tmp_path: Path) -> None:
    section = ProvisionerSection(kind="file", path=str(tmp_path / "none"))

    with pytest.raises(ProvisionError, match="none: expected credentials: No such file"):
        lacking(make_provisioner(section), 0, nobody, 9)


def test_identity_depends_on_region_credential_and_key() -> None:
    one = Credential(credential="a", region="us")

    assert one.session_identity("k") == Credential(credential="a", region="us").session_identity(
        "k"
    )
    assert one.session_identity("k") != Credential(credential="a").session_identity("k")
    assert one.session_identity("k") != one.session_identity("other")


def test_a_credential_is_not_printed() -> None:
    assert "topsecret" not in repr(Credential(credential="topsecret", region="us"))
