"""The master keys: the first seals, all open, and the file is read again."""

import hashlib
import tomllib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.base import PRODUCT_VERSION, SessionId
from runtime.secrets import (
    Sealer,
    SealError,
    key_id_of,
    master_keys,
    merge_keys,
    new_key,
    sealed_under,
    strange_keys,
)

ONE = SessionId("ses_1")
SEALED_BY_0_1_0 = (
    "e88b8699a9d70d60d35e770d2f87d2841d9c761fef73234d5fe29b01ae5b6e41789d18e7ad1de5ff37f0c522"
)


def sealed_as_one(text: str) -> bytes:
    """Seal under a whole text, as versions did to which a key file held one key."""
    key = hashlib.sha256(b"tidegate master key\0" + text.encode()).digest()
    nonce = bytes(12)
    return bytes.fromhex(key_id_of(text)) + nonce + AESGCM(key).encrypt(nonce, b"secret", b"ses_1")


class KeyText:
    """A key file whose text a test changes."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.reads = 0

    def read(self) -> str:
        self.reads += 1
        return self.text


def test_first_key_seals_and_every_key_opens() -> None:
    old, both = Sealer("old"), Sealer("new\nold\n")

    sealed = both.seal_credential(ONE, "secret")

    assert both.key_ids == [key_id_of("new"), key_id_of("old")]
    assert sealed_under(sealed) == key_id_of("new")
    assert Sealer("new").open_credential(ONE, sealed) == "secret"
    assert both.open_credential(ONE, old.seal_credential(ONE, "before")) == "before"


def test_ciphertext_of_a_version_with_one_key_opens() -> None:
    # Sealed by 0.1.0 under the key `master`.
    sealed = bytes.fromhex(SEALED_BY_0_1_0)

    assert Sealer("master").open_credential(ONE, sealed) == "a credential"


def test_key_that_comes_into_the_file_opens_at_once() -> None:
    file, new = KeyText("old"), new_key()
    sealer = Sealer(file.text, file.read)
    file.text = f"old\n{new}"

    opened = sealer.open_credential(ONE, Sealer(new).seal_credential(ONE, "secret"))

    assert opened == "secret"
    assert file.reads == 1
    assert sealed_under(sealer.seal_credential(ONE, "x")) == key_id_of("old"), "the first seals"


def test_known_key_opens_without_a_look_at_the_file() -> None:
    file = KeyText("old")
    sealer = Sealer(file.text, file.read)

    sealer.open_credential(ONE, sealer.seal_credential(ONE, "secret"))

    assert file.reads == 0


def test_promoted_key_seals_once_the_file_is_read_again() -> None:
    file = KeyText("old\nnew")
    sealer = Sealer(file.text, file.read)
    file.text = "new\nold"

    assert sealer.refresh()

    assert not sealer.refresh()
    assert sealed_under(sealer.seal_credential(ONE, "x")) == key_id_of("new")


def test_dropped_key_opens_for_as_long_as_the_process_lives() -> None:
    file = KeyText("new\nold")
    sealer = Sealer(file.text, file.read)
    file.text = "new"
    sealer.refresh()

    assert sealer.key_ids == [key_id_of("new")]
    assert sealer.open_credential(ONE, Sealer("old").seal_credential(ONE, "late")) == "late"


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_file_that_cannot_be_read_changes_nothing(text: str) -> None:
    sealer = Sealer("old", lambda: text)

    assert not sealer.refresh()
    assert sealer.key_ids == [key_id_of("old")]


def test_ciphertext_of_another_key_and_a_damaged_one_are_told_apart() -> None:
    sealer = Sealer("one")
    damaged = sealer.seal_credential(ONE, "secret")[:-1]

    with pytest.raises(SealError, match="sealed under another master key"):
        sealer.open_credential(ONE, Sealer("two").seal_credential(ONE, "secret"))
    with pytest.raises(SealError, match="damaged"):
        sealer.open_credential(ONE, damaged)
    with pytest.raises(SealError, match="damaged"):
        sealer.open_credential(ONE, damaged[:6])
    with pytest.raises(SealError, match="damaged"):
        sealer.open_credential(SessionId("ses_2"), sealer.seal_credential(ONE, "secret"))


def test_resealing_changes_what_is_under_another_key_and_nothing_else() -> None:
    both = Sealer("new\nold")
    old, new = (Sealer(key).seal_credential(ONE, "secret") for key in ("old", "new"))

    resealed = both.reseal_credential(ONE, old)

    assert both.reseal_credential(ONE, new) == new
    assert sealed_under(resealed) == key_id_of("new")
    assert Sealer("new").open_credential(ONE, resealed) == "secret"


def test_file_of_several_lines_was_one_key_once_and_still_opens() -> None:
    """`openssl rand -base64 96` writes two lines; what they sealed together opens."""
    text = "bGluZSBvbmU=\nbGluZSB0d28="
    whole = Sealer("-----BEGIN KEY-----\nx\n-----END KEY-----")

    sealed = sealed_as_one(text)

    assert Sealer(text).open_credential(ONE, sealed) == "secret"
    assert len(whole.key_ids) == 1, "a PEM is one key"


def test_keys_are_read_a_line_each() -> None:
    assert master_keys(" one \r\n\n two\none\n") == ["one", "two"]
    assert master_keys("a key with\x0bblanks and a \x1e") == ["a key with\x0bblanks and a"]
    assert master_keys("") == []


@pytest.mark.parametrize("text", ["# ours\n{}", "{}\n#ours\n\n # and more"])
def test_comment_in_the_key_file_is_no_key(text: str) -> None:
    key = new_key()
    sealer = Sealer(text.format(key))

    assert master_keys(text.format(key)) == [key]
    assert sealer.key_ids == [key_id_of(key)]
    assert sealed_under(sealer.seal_credential(ONE, "secret")) == key_id_of(key)


def test_what_a_comment_sealed_once_opens() -> None:
    """Versions before took it for a key; a key that is alone in its file may begin so, too."""
    sealed = Sealer("# ours").seal_credential(ONE, "secret")

    assert Sealer(f"# ours\n{new_key()}").open_credential(ONE, sealed) == "secret"
    assert master_keys("#chosen\n") == ["#chosen"]


@pytest.mark.parametrize("text", ["not a key\n{}", "{}\nnot a key", "not a key", "{}\n{}x"])
def test_stray_line_is_not_taken_up_by_a_process_that_runs(text: str) -> None:
    file = KeyText(new_key())
    sealer, key_ids = Sealer(file.text, file.read), [key_id_of(file.text)]
    file.text = text.format(file.text, file.text)

    assert not sealer.refresh()
    assert sealer.key_ids == key_ids
    assert sealer.refusal.startswith(f"line {1 if text.startswith('not') else 2} of the key file: ")

    file.text = new_key()

    assert sealer.refresh()
    assert sealer.refusal == ""


def test_keys_that_were_not_made_here_are_named_by_their_lines() -> None:
    key = new_key()

    assert strange_keys(f"\n{key}\n#\nours\nours") == {"ours": "line 4"}
    assert strange_keys(key) == {}
    assert strange_keys("chosen") == {"chosen": "line 1"}
    assert [*strange_keys("-----BEGIN KEY-----\nx").values()] == ["line 1"]


def test_merged_keys_keep_the_first_files_order() -> None:
    assert merge_keys("new\n", "old\nnew") == "new\nold"
    assert merge_keys("new\nold\n", "old") == "new\nold\n", "nothing lacks: not a byte is changed"


def test_new_keys_differ_and_ids_are_eight_digits() -> None:
    assert new_key() != new_key()
    assert len(key_id_of(new_key())) == 8


def test_keys_derived_for_one_purpose_tell_nothing_of_those_for_another() -> None:
    sealer = Sealer("first\nsecond")

    ours = sealer.derived_keys("one")

    assert ours == sealer.derived_keys("one") == Sealer("first\nsecond").derived_keys("one")
    assert not set(ours) & set(sealer.derived_keys("another"))
    assert ours[0] == Sealer("first").derived_keys("one")[0]
    assert all(len(key) == 32 for key in ours)


def test_derived_keys_follow_the_file() -> None:
    texts = ["first", f"{new_key()}\nfirst"]
    sealer = Sealer(texts[0], lambda: texts[1])
    before = sealer.derived_keys("one")[0]

    sealer.refresh()

    assert sealer.derived_keys("one")[0] != before
    assert before in sealer.derived_keys("one")


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]

    assert project["version"] == PRODUCT_VERSION
