"""A fresh clone comes up with no further step, and takes up what an operator changes in it."""

from collections.abc import Iterator

import pytest

from tests.compose.containers import RECOVERY_S, Containers


@pytest.fixture
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """A clone without `.env` and without `tidegate.toml`."""
    made = Containers(tmp_path_factory.mktemp("fresh"), profile="")
    try:
        yield made
    finally:
        made.compose("--profile", "demo", "down", "--volumes", "--timeout", "60")


def session_count(clone: Containers) -> int:
    return len(clone.pool_status()["data"])


def started_at(clone: Containers) -> dict[str, object]:
    """Since when each service runs."""
    names = [name for name, one in clone.states().items() if one["State"] == "running"]
    return {name: clone.inspect(name, "{{json .State.StartedAt}}") for name in names}


def test_fresh_clone_comes_up_and_goes_on_through_changes(clone: Containers) -> None:
    clone.up("--build")
    assert clone.well()
    assert {one["Service"]: one["Publishers"] for one in clone.states().values()}["gateway"] == [
        {"URL": "127.0.0.1", "TargetPort": 8080, "PublishedPort": clone.port, "Protocol": "tcp"}
    ]
    refused = clone.image()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_backend")
    assert session_count(clone) == 50
    before = started_at(clone)

    clone.compose("--profile", "demo", "up", "--wait")

    clone.eventually(clone.answers, expected=True, seconds=RECOVERY_S)
    assert clone.audit()["exit"] == 0
    now = started_at(clone)
    assert {name: now[name] for name in before} == before
    assert set(now) - set(before) == {f"server-{number}-1" for number in range(1, 5)}

    clone.configure("[pool]\nmin_size = 52\n")
    clone.up()

    clone.eventually(lambda: session_count(clone), 52, RECOVERY_S)
    assert {name: started_at(clone)[name] for name in before} == before

    clone.configure("[pool]\nmin_syze = 53\n")
    with pytest.raises(AssertionError, match='service "secrets" didn'):
        clone.up()
    assert "pool.min_syze: there is no such setting" in clone.said("secrets")
    assert clone.answers()
    # A health check that is content leaves no line behind.
    assert '"path":"/readyz","status":200' not in clone.said("gateway")
