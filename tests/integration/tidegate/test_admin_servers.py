"""Servers drained and measured, strategies chosen and pinned, by the verbs that a person types."""

import pytest

from tests.integration.tidegate.test_admin import Terminal, terminal

pytestmark = pytest.mark.anyio
__all__ = ["terminal"]


async def until_well(terminal: Terminal) -> None:
    """Wait until the one server is up."""
    for _ in range(200):
        listed = await terminal.read("servers", "list")
        if listed["data"] and listed["data"][0]["healthy"]:
            return
    raise AssertionError(listed)


async def test_strategy_is_shown_chosen_for_a_service_type_and_taken_back(
    terminal: Terminal,
) -> None:
    words = ("servers", "strategy")
    own = await terminal.read(*words, "round_robin", "--service-type", "video")
    shown = await terminal.shown(*words)
    back = await terminal.read(*words, "none", "--service-type", "video")

    assert own["strategies"] == {"video": "round_robin"}
    assert "video: round_robin" in shown
    assert back["strategies"] == {}
    assert "expected service types" in await terminal.refused(
        *words, "round_robin", "--service-type", "vidoe"
    )


async def test_strategy_is_pinned_for_all_until_it_is_unpinned(terminal: Terminal) -> None:
    words = ("servers", "strategy")
    pinned = await terminal.shown(*words, "pin", "round_robin")
    listed = await terminal.read("servers", "list")
    unpinned = await terminal.read(*words, "unpin")

    assert "round_robin is pinned" in pinned
    assert (listed["pinned"], unpinned["pinned"]) == ("round_robin", "")
    assert "expected one of" in await terminal.refused(*words, "pin", "fastest")
    for typed in (("pin", "round_robin"), ("unpin",)):
        code, _, told = await terminal.type(*words, *typed, "--service-type", "image")
        assert (code, "expected no --service-type" in told) == (2, True)
    code, _, told = await terminal.type(*words, "pin")
    assert (code, "expected `pin` and the name" in told) == (2, True)


async def test_server_is_drained_and_undrained(terminal: Terminal) -> None:
    drained = await terminal.shown("servers", "drain", "server-1")
    state = (await terminal.read("servers", "list"))["data"][0].get("state")
    back = await terminal.read("servers", "undrain", "server-1")

    assert "server-1 is draining; 0 exchanges go on" in drained
    assert (state, back["state"]) == ("draining", "up")
    assert "there is no server 'none'" in await terminal.refused("servers", "drain", "none")


async def test_server_is_given_probes_of_its_own(terminal: Terminal) -> None:
    changed = await terminal.read(
        "servers", "change", "server-1", "--probe-path", "/livez", "--probe-status", "200"
    )

    assert changed["server"]["probe_path"] == "/livez"
    assert changed["server"]["probe_status"] == 200
    assert "probe_path: expected a path" in await terminal.refused(
        "servers", "change", "server-1", "--probe-path", "livez"
    )


async def test_servers_are_measured_and_weights_recommended(terminal: Terminal) -> None:
    await until_well(terminal)

    code, out, _ = await terminal.type("servers", "probe", "server-1", "--count", "3")

    assert "median_ms" in out
    row = next(line for line in out.splitlines() if line.split()[:2] == ["1", "server-1"])
    assert row.split()[6:10] == ["0", "3", "10", "1"]
    assert code in {0, 1}, "1 where it is no server of a known dialect"
