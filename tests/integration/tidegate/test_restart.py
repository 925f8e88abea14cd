"""`tidegate stack restart` beside a real `up`, and where there is none."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.nats import natsserver
from tests.integration.tidegate.up import Up


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """An `up` with two gateways."""
    home = tmp_path_factory.mktemp("twin") / "home"
    made = Up(home, natsserver.free_port(), TIDEGATE_GATEWAY_WORKERS="2")
    try:
        yield made.start()
    finally:
        made.stop()


def test_gateways_are_started_again_one_after_the_other(twin: Up) -> None:
    before = {name: twin.child(name)["pid"] for name in ("gateway", "gateway-2", "pool")}

    done = twin.run("stack", "restart", "gateway", "--json")

    assert done.returncode == 0, done.stderr
    restarted = json.loads(done.stdout)["data"]
    assert [child["name"] for child in restarted] == ["gateway", "gateway-2"]
    assert all(child["pid"] != before[child["name"]] for child in restarted)
    assert twin.child("pool")["pid"] == before["pool"]
    assert "data" in twin.curl()


def test_one_child_is_restarted_by_its_own_name(twin: Up) -> None:
    before = twin.child("analytics")

    done = twin.run("stack", "restart", "analytics")

    assert (done.returncode, "is ready" in done.stdout) == (0, True), done.stderr
    assert twin.child("analytics")["restarts"] == before["restarts"] + 1


def test_service_that_is_none_is_refused_with_those_that_are(twin: Up) -> None:
    done = twin.run("stack", "restart", "gatway")

    assert done.returncode == 2
    assert "there is no 'gatway': expected one of gateway, nats, " in done.stderr


def test_home_in_which_nothing_runs_is_told(tmp_path: Path) -> None:
    nowhere = Up(tmp_path / "home", 1)

    done = nowhere.run("stack", "restart", "pool")

    assert (done.returncode, "no `tidegate up` runs in" in done.stderr) == (1, True)
