"""The dashboard: what others wrote is what is listed, and every text is said in two languages."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from contracts.pool import Outcome, Refusal, SessionStatus, Verdict
from runtime.process.findings import CURES
from services.analytics.domain.questions.measures import DIMENSIONS, MEASURES
from services.gateway.dashboard.files import FOLDER
from services.gateway.domain import attention
from services.gateway.domain.errors import KINDS

MODULE_LINES_MAX = 300
RAW_BYTES_MAX = 600_000
VENDOR = FOLDER / "vendor"
LISTED: list[dict[str, Any]] = json.loads((VENDOR / "vendor.json").read_text())["files"]
OURS = sorted(
    path
    for path in FOLDER.rglob("*.js")
    if VENDOR not in path.parents and path.parent.name != "words"
)
SAID = re.compile(r"\bsay\(\s*(?:\w+ \? )?\"([^\"]+)\"(?: : \"([^\"]+)\")?")
NAMED = re.compile(r"\"([a-z_]+(?:\.[a-z_]+)*)\"")
BY_WORD = re.compile(r"(?:say\(`|wordFor\(\")([a-z_]+)")


def dictionary(language: str) -> dict[str, str]:
    """The texts of one language; the module is a comment and one JSON object."""
    text = (FOLDER / "words" / f"{language}.js").read_text()
    body = text.split("export default ", 1)[1].rstrip().rstrip(";")
    texts: dict[str, str] = json.loads(re.sub(r",(\s*})", r"\1", body))
    return texts


@pytest.mark.parametrize("file", LISTED, ids=lambda file: file["file"])
def test_vendored_file_is_the_one_that_is_listed_with_its_licences(file: dict[str, Any]) -> None:
    body = (VENDOR / file["file"]).read_bytes()

    assert hashlib.sha256(body).hexdigest() == file["sha256"]
    assert file["packages"]
    for package in file["packages"]:
        name = package["name"].replace("@", "").replace("/", "-")
        assert (VENDOR / "licences" / f"{name}.txt").stat().st_size > 300
        assert package["version"]
        assert package["licence"] in {"MIT", "Apache-2.0"}


def test_every_vendored_file_is_listed_and_all_of_them_are_small() -> None:
    there = {path.name for path in VENDOR.glob("*.*")} - {"vendor.json"}

    assert there == {file["file"] for file in LISTED}
    assert sum((VENDOR / name).stat().st_size for name in there) < RAW_BYTES_MAX


def test_vendored_versions_are_those_that_make_vendor_installs() -> None:
    wanted = json.loads((FOLDER.parents[2] / "requirements/vendor/package.json").read_text())
    versions = {
        package["name"]: package["version"] for file in LISTED for package in file["packages"]
    }

    assert wanted["dependencies"].items() <= versions.items()


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_module_of_the_page_is_small_and_begins_with_what_it_is(path: Any) -> None:
    text = path.read_text()

    assert text.startswith("// ")
    assert text.count("\n") <= MODULE_LINES_MAX


def test_both_languages_say_the_same_texts_with_the_same_places_for_values() -> None:
    english, chinese = dictionary("en"), dictionary("zh")
    places = re.compile(r"\{\w+\}")

    assert english.keys() == chinese.keys()
    assert {
        name
        for name, text in english.items()
        if set(places.findall(text)) - {"{n}"} != set(places.findall(chinese[name])) - {"{n}"}
    } == set()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_code_that_the_page_may_be_given_has_words(language: str) -> None:
    """Of findings those that the overview has: the doctor's others are told on a terminal."""
    texts = dictionary(language)
    findings = {code for code in CURES if f'"{code}"' in Path(attention.__file__).read_text()}

    assert {code for code in KINDS if f"error.{code}" not in texts} == set()
    assert {word for word in (*MEASURES, *DIMENSIONS) if f"measure.{word}" not in texts} == set()
    assert {word for word in Verdict if f"verdict.{word}" not in texts} == set()
    assert {word for word in Refusal if f"reason.{word}" not in texts} == set()
    assert {word for word in (*Outcome, *SessionStatus) if f"state.{word}" not in texts} == set()
    assert len(findings) > 15
    assert {code for code in findings if f"finding.{code}" not in texts} == set()
    assert {name: text for name, text in texts.items() if name.startswith("cure.")}.keys() == {
        f"cure.{code}" for code in findings
    }


def test_what_is_to_be_done_is_in_english_what_the_api_says() -> None:
    english = dictionary("en")

    cures = {f"cure.{code}": text for code, text in CURES.items() if f"cure.{code}" in english}

    assert cures.items() <= english.items()


def test_every_text_that_is_said_is_there_and_every_text_there_is_said() -> None:
    code = "\n".join(path.read_text() for path in OURS)
    english = dictionary("en")
    said = {name for match in SAID.findall(code) for name in match if name}
    named, families = set(NAMED.findall(code)), set(BY_WORD.findall(code))

    assert said <= english.keys()
    assert {
        name for name in english if name not in named and name.split(".")[0] not in families
    } == set()
