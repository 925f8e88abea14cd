"""The tutorial as it stands, by somebody who types every line of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.nats import natsserver
from tests.e2e.docblocks import Typist

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def typist(tmp_path: Path) -> Iterator[Typist]:
    ports = {port: str(natsserver.free_port()) for port in ("8080", "9001", "9002")}
    made = Typist(tmp_path / "clone", ports, TIDEGATE_PORT=ports["8080"])
    yield made
    made.stop()


def test_tutorial_leads_from_nothing_to_backends_of_ones_own(typist: Typist) -> None:
    typist.type_page("docs/tutorial.md")

    said = "\n".join(typist.said)
    assert said.count("a call would succeed now") == 3
    assert '"data":[{"url":' in said.replace(" ", "")
    assert "the account lives" in said
    assert "x-remaining-quota" in said.lower()
    assert "0 violations" in said or "no violation" in said
