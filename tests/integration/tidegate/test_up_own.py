"""From the demo to servers of one's own in one home, as a newcomer does it: real processes."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.ledger import credential_hash
from runtime.nats import natsserver
from tests import ROOT
from tests.integration.tidegate.up import Up
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up"), pytest.mark.timeout(300)]
CREDENTIALS = ("first-of-mine", "us-second-of-mine", "third-of-mine")


class Own:
    """A server of the operator's own, which writes down what each credential was served."""

    def __init__(self, folder: Path) -> None:
        self.port = natsserver.free_port()
        self.ledger = folder / "own.ledger"
        arguments = ["demo", "server", "--port", str(self.port), "--ledger", str(self.ledger)]
        self.process = subprocess.Popen([sys.executable, "-m", "tidegate.main", *arguments])

    @property
    def seen(self) -> set[str]:
        """The hashes of the credentials that it was shown."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return {json.loads(line)["credential"] for line in lines}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Own]:
    made = Own(tmp_path)
    yield made
    made.process.terminate()
    made.process.wait(20)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """The demo, with few sessions, stopped again."""
    made = Up(tmp_path / "home", natsserver.free_port(), TIDEGATE_BALANCER_PROBE_INTERVAL="500ms")
    made.environment["TIDEGATE_POOL_MIN_SIZE"] = "3"
    made.start()
    assert made.curl()["data"]
    made.stop()
    del made.environment["TIDEGATE_POOL_MIN_SIZE"]
    yield made
    made.stop()


def page_says(page: str, own: Own) -> str:
    """What this page says to write, but for the address."""
    block = re.search(r"```toml\n(\[\[servers.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert block is not None
    return block[1].replace("http://127.0.0.1:8000", f"http://127.0.0.1:{own.port}")


def api_answer(up: Up, path: str) -> Any:
    key = (up.home / "operator.key").read_text()
    url = f"http://127.0.0.1:{up.port}{path}"
    return httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=20).json()


def sessions(up: Up, origin: str) -> list[str]:
    """The states of the sessions that came from there."""
    found = api_answer(up, "/api/sessions?limit=1000")["data"]
    return [one["status"] for one in found if one["origin"] == origin]


def servers(up: Up) -> set[str]:
    return {one["server"]["server_id"] for one in api_answer(up, "/api/servers")["data"]}


def restarted(up: Up) -> None:
    up.start()
    wait_for(lambda: api_answer(up, "/api/servers")["data"][0]["healthy"])


def findings(up: Up) -> dict[str, str]:
    done = up.run("doctor", "--json")
    return {one["code"]: one["state"] for one in json.loads(done.stdout)["findings"]}


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/own-servers.md"])
def test_what_the_pages_say_leads_to_own_servers_and_own_sessions_alone(
    up: Up, own: Own, page: str
) -> None:
    (up.home.parent / "tidegate.toml").write_text(page_says(page, own))
    (up.home.parent / "sessions.txt").write_text("\n".join(CREDENTIALS))

    assert up.run("config", "check").returncode == 0

    restarted(up)

    wait_for(lambda: sessions(up, "generated") == ["retired"] * 3)
    wait_for(lambda: sessions(up, "file") == ["active"] * 3)
    assert servers(up) == {"one"}
    for _ in range(9):
        assert up.curl()["data"]
    assert own.seen == {credential_hash(one) for one in CREDENTIALS}
    assert {code for code, state in findings(up).items() if state == "wrong"} == set()
    assert "generated_beside_own" not in findings(up)
    assert httpx.get(f"http://127.0.0.1:{up.port}/health").json()["status"] == "ok"
    assert up.run("audit").returncode == 0


def test_block_of_the_demo_ends_with_the_same_words(up: Up, own: Own) -> None:
    said = re.search(r"start again:\n\n(.*?)\n\nOne credential", up.said(), re.DOTALL)
    assert said is not None
    block = re.sub("^    ", "", said[1], flags=re.MULTILINE)

    assert [line for line in block.splitlines() if line] == [
        line.partition("#")[0].strip()
        for line in page_says("README.md", own).replace(str(own.port), "8000").splitlines()
        if line
    ]


def test_without_a_written_kind_sessions_stay_and_the_doctor_says_what_to_write(
    up: Up, own: Own
) -> None:
    address = f'[[servers]]\nid = "one"\nurl = "http://127.0.0.1:{own.port}"\n'
    (up.home.parent / "tidegate.toml").write_text(f"{address}[pool]\nmin_size = 5\n")

    restarted(up)

    assert 'kind = "file", "http" or "none"' in up.said()
    assert up.curl()["data"]
    assert sessions(up, "generated") == ["active"] * 3, "and no new ones, though five are wanted"
    assert findings(up)["generated_beside_own"] == "note"


def test_file_that_is_not_found_is_named_and_nothing_becomes_the_demo(up: Up, own: Own) -> None:
    """The file is moved while nothing runs; then a backup comes to a home without a setting."""
    file = up.home.parent / "tidegate.toml"
    file.write_text(page_says("README.md", own))
    (up.home.parent / "sessions.txt").write_text("\n".join(CREDENTIALS))
    restarted(up)
    wait_for(lambda: sessions(up, "file") == ["active"] * 3)
    up.stop()
    file.rename(up.home.parent / "elsewhere.toml")

    done = up.run("up")

    assert done.returncode == 2, done.stdout
    assert str(file) in done.stderr
    assert "servers of a configuration (one)" in done.stderr
    up.environment["TIDEGATE_CONFIG"] = "elsewhere.toml"
    restarted(up)
    assert servers(up) == {"one"}
    assert sessions(up, "generated") == ["retired"] * 3

    bundle = up.home.parent / "all.tar"
    assert up.run("backup", str(bundle), TIDEGATE_CONFIG="").returncode == 0
    up.stop()
    other = up.home.with_name("other")
    restored = up.run("restore", str(bundle), TIDEGATE_HOME=str(other), TIDEGATE_CONFIG="")
    assert restored.returncode == 0, restored.stderr
    assert "not in the backup: the file of pool.provisioner.path" in restored.stdout
    del up.environment["TIDEGATE_CONFIG"]
    again = Up(other, up.port, TIDEGATE_BALANCER_PROBE_INTERVAL="500ms")
    try:
        restarted(again)
        assert servers(again) == {"one"}, "the file that was restored is found"
        (other / "sessions.txt").write_text("\n".join([*CREDENTIALS, "fourth-beside-it"]))
        wait_for(lambda: sessions(again, "file") == ["active"] * 4)
        assert sessions(again, "generated") == ["retired"] * 3
    finally:
        again.stop()


def test_emptied_file_is_held_until_somebody_accepts_it(up: Up, own: Own) -> None:
    file = up.home.parent / "tidegate.toml"
    file.write_text(page_says("README.md", own))
    (up.home.parent / "sessions.txt").write_text("\n".join(CREDENTIALS))
    restarted(up)
    wait_for(lambda: sessions(up, "file") == ["active"] * 3)
    health = f"http://127.0.0.1:{up.port}/health"

    assert up.run("config", "accept").returncode == 1, "nothing is held"

    file.write_text("")

    wait_for(lambda: httpx.get(health).json()["configurationHeld"])
    assert httpx.get(health).json()["status"] == "degraded"
    assert findings(up)["configuration_held"] == "wrong"
    assert up.said().count('"configuration_held"') == 1
    wait_for(lambda: '"policy_held"' in up.said())
    assert servers(up) == {"one"}
    assert up.curl()["data"]
    up.stop()
    used = (up.home / "config.used").read_text()
    (up.home.parent / "another.toml").write_text("")
    up.environment["TIDEGATE_CONFIG"] = "another.toml"
    up.start()  # with an empty file: every leader judges anew
    assert "This is the demo" not in up.said()
    assert "The configuration is held: only the demo's servers would remain" in up.said()
    assert "in force: one" in up.said()
    assert (up.home / "config.used").read_text() == used
    wait_for(lambda: httpx.get(health).json()["configurationHeld"])
    assert servers(up) == {"one"}
    assert sessions(up, "generated") == ["retired"] * 3
    wrong = up.run("config", "accept", "sha256:another")
    assert wrong.returncode == 2
    assert "expected sha256:" in wrong.stderr

    done = up.run("config", "accept")

    assert done.returncode == 0, done.stderr
    assert "one removed" in done.stdout
    wait_for(lambda: servers(up) == {f"server-{number}" for number in range(1, 5)})
    wait_for(lambda: not httpx.get(health).json()["configurationHeld"])
    wait_for(lambda: "another.toml" in (up.home / "config.used").read_text())
    assert up.run("audit").returncode == 0


def test_no_server_of_ones_own_comes_to_the_demo_before_a_kind_is_written(up: Up, own: Own) -> None:
    words = ("servers", "add", "mine", f"http://127.0.0.1:{own.port}")
    restarted(up)

    refused = up.run(*words)

    assert refused.returncode == 2
    assert "[pool.provisioner] kind first" in refused.stderr
    assert servers(up) == {f"server-{number}" for number in range(1, 5)}
    up.stop()
    (up.home.parent / "tidegate.toml").write_text('[pool]\nprovisioner = { kind = "none" }\n')
    restarted(up)
    wait_for(lambda: set(sessions(up, "generated")) == {"retired"})
    added = up.run(*words)
    assert added.returncode == 0, added.stderr
    assert "mine" in servers(up)
    assert own.seen == set()


def test_server_of_ones_own_beside_the_demos_is_told_and_nothing_more_is_made_up(
    up: Up, own: Own
) -> None:
    up.environment["TIDEGATE_POOL_PROVISIONER_KIND"] = "generated"
    restarted(up)
    assert up.run("servers", "add", "mine", f"http://127.0.0.1:{own.port}").returncode == 0
    wait_for(lambda: len(sessions(up, "generated")) == 50)
    assert "generated_beside_own" not in findings(up)
    up.stop()
    del up.environment["TIDEGATE_POOL_PROVISIONER_KIND"]
    up.environment["TIDEGATE_POOL_MIN_SIZE"] = "60"

    restarted(up)

    assert "This is the demo" not in up.said()
    assert "Beside the demo's servers stand your own: mine." in up.said()
    assert 'kind = "file", "http" or "none"' in up.said()
    assert findings(up)["generated_beside_own"] == "note"
    assert len(sessions(up, "generated")) == 50
