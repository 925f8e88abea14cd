"""The key file as `secrets rotate` finds and writes it, and what the doctor says of keys."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.pool import KeyHolder, KeyRotation, KeysReply
from runtime.environment import read_environment
from runtime.process.findings import DoctorFinding, fine, note, wrong
from runtime.secrets import new_key
from runtime.settings import SettingsError
from tidegate.console.errors import CommandError
from tidegate.doctor.home import home_findings
from tidegate.doctor.rotation import describe_keys
from tidegate.masterkey.keyfile import KeyFile, find_key_file
from tidegate.stack.home.files import write_absent

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("TIDEGATE_SECRET_KEY", "TIDEGATE_SECRET_KEY_FILE", "TIDEGATE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "home" / "secrets"
    path.mkdir(parents=True)
    (path / "master.key").write_text("old")
    (path / "master.key").chmod(0o640)
    monkeypatch.setenv("TIDEGATE_HOME", str(path.parent))
    return path.parent


def found(homes: Path | None = None) -> KeyFile:
    return find_key_file(read_environment(), homes)


def test_keys_are_written_as_a_whole_for_those_who_could_read_them(home: Path) -> None:
    file = found()

    file.write_keys(["old", "new"])

    path = home / "secrets" / "master.key"
    assert path.read_text() == "old\nnew"
    assert path.stat().st_mode & 0o777 == 0o640
    assert file.read_keys() == ["old", "new"]
    assert {kept.name for kept in path.parent.iterdir()} == {"master.key"}


def test_file_that_a_link_names_is_written_and_the_link_stays(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(home / "secrets" / "master.key")
    monkeypatch.setenv("TIDEGATE_SECRET_KEY_FILE", str(link))

    found().write_keys(["other"])

    assert link.is_symlink()
    assert (home / "secrets" / "master.key").read_text() == "other"


@pytest.mark.usefixtures("home")
def test_copies_in_the_homes_of_pool_and_gateway_are_written_too(tmp_path: Path) -> None:
    copies = [tmp_path / owner / "secrets" / "master.key" for owner in ("pool", "gateway")]
    for copy in copies:
        copy.parent.mkdir(parents=True)
        copy.write_text("left behind")
    (tmp_path / "balancer").mkdir()

    found(tmp_path).write_keys(["old", "new"])

    assert [copy.read_text() for copy in copies] == ["old\nnew"] * 2
    assert list((tmp_path / "balancer").iterdir()) == []


def test_comments_of_the_key_file_stay_and_a_lone_one_is_no_key_to_rotate(home: Path) -> None:
    path = home / "secrets" / "master.key"
    path.write_text("# ours\nold\n")
    file = found()

    file.write_keys([*file.read_keys(), "new"])

    assert path.read_text() == "# ours\nold\nnew"
    assert [*file.strange_ids().values()] == [f"line 2 of {path}", f"line 3 of {path}"]
    path.write_text("#old")
    with pytest.raises(SettingsError, match="its only line begins with #"):
        file.read_keys()


def test_doctor_looks_into_the_key_file(home: Path) -> None:
    path = home / "secrets" / "master.key"
    made = new_key()

    assert key_codes(path, "# nothing\n#") == ["key_empty"]
    assert key_codes(path, " \n") == ["key_empty"]
    assert key_codes(path, "chosen") == ["master_key_chosen"]
    assert key_codes(path, f"{made}\nours") == ["master_key_stray"]
    assert key_codes(path, f"# ours\n{made}\n{new_key()}") == []


def key_codes(path: Path, text: str) -> list[str]:
    """The doctor's codes about a key file of this text."""
    path.write_text(text)
    path.chmod(0o600)
    findings = home_findings(read_environment())
    return [one.code for one in findings if f"{path}" in one.message and one.code]


@pytest.mark.usefixtures("home")
def test_folder_without_homes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--homes: expected a folder with the homes of pool"):
        found(tmp_path)


@pytest.mark.usefixtures("home")
def test_key_by_variable_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_SECRET_KEY", "by variable")

    with pytest.raises(SettingsError, match="rotated by hand; expected it in the file") as refused:
        found()

    assert "by variable is" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected a master key, it is empty"),
        ("-----BEGIN KEY-----\nx\n-----END KEY-----\n", "a key of several lines is not rotated"),
    ],
)
def test_file_that_is_no_list_of_keys_is_refused(home: Path, text: str, expected: str) -> None:
    (home / "secrets" / "master.key").write_text(text)

    with pytest.raises(SettingsError, match=expected):
        found().read_keys()


def test_file_that_is_not_there_is_refused(home: Path) -> None:
    (home / "secrets" / "master.key").unlink()

    with pytest.raises(SettingsError, match="expected the key file of the pool"):
        found().read_keys()


@pytest.mark.usefixtures("home")
def test_copy_that_cannot_be_written_is_named_and_the_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "pool" / "secrets").mkdir(parents=True)

    with pytest.raises(CommandError, match="the key file cannot be written"):
        found(tmp_path).write_keys(["old", "new"])

    assert found().read_keys() == ["old", "new"]


@pytest.mark.usefixtures("home")
def test_second_rotation_at_the_same_file_is_kept_out() -> None:
    refusal = pytest.raises(CommandError, match="another rotation is at work on it")

    with found().hold(), refusal, found().hold():
        pass
    with found().hold():
        pass


def test_of_two_that_make_an_absent_file_the_first_is_heeded(tmp_path: Path) -> None:
    """Both have seen that it is not there; a key that is used already must not go."""
    path, start = tmp_path / "secrets" / "master.key", threading.Barrier(8)

    def write(number: int) -> bool:
        start.wait()
        return write_absent(path, str(number).encode() * 100_000)

    with ThreadPoolExecutor(8) as several:
        wrote = list(several.map(write, range(8)))

    assert wrote.count(True) == 1
    assert path.read_text() == str(wrote.index(True)) * 100_000
    assert path.stat().st_mode & 0o777 == 0o600


def test_copies_that_another_hand_put_back_are_written_anew(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "pool" / "secrets" / "master.key"
    copy.parent.mkdir(parents=True)
    copy.write_text("older")
    file = found(tmp_path)

    file.write_keys(file.read_keys())

    assert copy.read_text() == "old"
    assert (home / "secrets" / "master.key").read_text() == "old"


def rotation_findings(*key_ids: str, **more: object) -> list[DoctorFinding]:
    """What the doctor says where the pool has these keys, and everything is under the first."""
    holders = [KeyHolder(process="pool-1", key_ids=[*key_ids])]
    had = {"ciphertexts": {key_ids[0]: 3}, "holders": holders, "listened_s": 9.0, **more}
    return list(describe_keys(KeysReply(key_ids=[*key_ids], **had)))  # type: ignore[arg-type]


def test_doctor_is_fine_with_a_key_that_everybody_has() -> None:
    ended = KeyRotation(key_id="a", began_at=NOON, ended_at=NOON)

    assert rotation_findings("a") == [fine("keys", "1 process has the master key")]
    assert rotation_findings("a", rotation=ended) == rotation_findings("a")


def test_doctor_names_a_rotation_half_way_and_who_lacks_the_key() -> None:
    holders = [
        KeyHolder(process="pool-1", key_ids=["a", "b"]),
        KeyHolder(process="gw-1@far", key_ids=["a"]),
        KeyHolder(process="a gateway of an earlier version (x)", key_ids=[]),
    ]
    rotation = KeyRotation(key_id="b", previous_id="a", began_at=NOON, by="me")

    assert rotation_findings("a", "b", holders=holders, rotation=rotation) == [
        note(
            "keys",
            "rotation_halfway",
            "a rotation to the key b is under way since 2026-01-01 12:00 UTC: 0 of 3 credentials"
            " are sealed under it",
        ),
        wrong("keys", "master_key_lacking", "gw-1@far lacks the master key b (it has a)"),
        wrong(
            "keys",
            "master_key_lacking",
            "a gateway of an earlier version (x) lacks the master key a, b"
            " (it has none that it tells of)",
        ),
    ]


def test_doctor_names_keys_that_were_left_in_the_file_and_who_cannot_open() -> None:
    holders = [
        KeyHolder(process="gw-1", key_ids=["b"]),
        KeyHolder(process="a gateway of an earlier version (x)", key_ids=[]),
    ]

    assert rotation_findings("a", "b", holders=holders) == [
        note("keys", "rotation_halfway", "the key file has 2 keys, and no rotation is under way"),
        wrong("keys", "master_key_lacking", "gw-1 lacks the master key a (it has b)"),
    ]


def test_doctor_counts_what_is_sealed_under_a_key_that_the_pool_lacks() -> None:
    assert rotation_findings("a", ciphertexts={"a": 3, "c": 2}) == [
        note(
            "keys",
            "credentials_closed",
            "2 credentials are sealed under the key c, which the pool lacks",
        ),
        fine("keys", "1 process has the master key"),
    ]
