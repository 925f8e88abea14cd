"""The schema files are what the code says, and every message is in one."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from contracts.events import event_tags
from contracts.schemas.generator import FOLDER, asyncapi_document, message_types, schema_documents
from contracts.subjects import TABLE


def test_schema_files_are_those_of_the_code() -> None:
    kept = {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.rglob("*.json")}

    assert kept == schema_documents(), "make schemas writes them anew"


def test_every_event_has_a_schema() -> None:
    kept = {path.stem for path in (FOLDER / "events").glob("*.json")}

    assert kept == set(event_tags())


def test_every_subject_is_a_channel_with_its_messages() -> None:
    document = asyncapi_document()

    assert len(document["channels"]) == len(TABLE)
    named = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert named == {kind.__name__ for kind in message_types()}


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi_document()
    wanted: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                wanted.append(node["$ref"])
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(document)
    for reference in wanted:
        found = document
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]

    assert wanted


def test_asyncapi_says_who_sends_and_who_answers() -> None:
    operations = asyncapi_document()["operations"]

    assert operations["gateway.send.rpc.pool.lease"]["reply"]
    assert operations["pool.receive.rpc.pool.lease"]["reply"]
    assert operations["pool.send.evt.pool"]["action"] == "send"
    assert operations["migrate.send.evt.keys"]["action"] == "send"
    assert "gateway.send.evt.pool" not in operations


def test_schema_files_are_json_that_ends_in_a_line() -> None:
    for path in Path(FOLDER).rglob("*.json"):
        assert json.loads(path.read_text())
        assert path.read_text().endswith("}\n")


def test_schema_files_are_written_where_asked_and_stale_ones_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "lease_forgotten.json").write_text("{}")
    (tmp_path / "envelope.json").write_text("{}")
    monkeypatch.setattr(sys, "argv", ["schemas", str(tmp_path)])

    runpy.run_module("contracts.schemas", run_name="__main__")

    written = {
        str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*.json")
    }
    assert written == schema_documents()
