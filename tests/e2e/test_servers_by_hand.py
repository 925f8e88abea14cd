"""Servers as an operator has them beside the file, in a stack of real processes."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def read_json(stack: Stack, *words: str) -> Any:
    done = stack.tidegate(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def servers_by_id(stack: Stack) -> dict[str, Any]:
    return {one["server"]["server_id"]: one for one in read_json(stack, "servers", "list")["data"]}


def one_image(stack: Stack) -> httpx.Response:
    headers = {"Authorization": f"Bearer {stack.client_key}"}
    body = {"model": "jimeng-4.0", "prompt": "a gate"}
    url = f"{stack.url()}/v1/images/generations"
    return httpx.post(url, json=body, headers=headers, timeout=30)


def test_servers_are_drained_tried_and_changed_while_the_file_is_edited(
    new_stack: Callable[..., Stack],
) -> None:
    """One stack, every verb in turn, each looked at by what the next list or call shows."""
    stack = new_stack(
        TIDEGATE_POOL_MIN_SIZE="3",
        TIDEGATE_POOL_MAX_SIZE="3",
        TIDEGATE_BALANCER_PROBE_INTERVAL="500ms",
    )
    table = stack.servers_toml("one", "two")
    stack.configure(table)
    stack.start_all("one", "two")
    stack.environment["TIDEGATE_PORT"] = str(stack.ports["gateway"])

    read_json(stack, "servers", "drain", "one")
    served = {one_image(stack).headers["x-server-id"] for _ in range(4)}
    assert served == {"two"}
    tried = read_json(stack, "servers", "test", "one", "--model", "jimeng-4.0")
    assert (tried["verdict"], tried["server_id"], tried["units"]) == ("success", "one", 1)
    told = stack.tidegate("explain", tried["request_id"])
    assert "at one" in told.stdout

    read_json(stack, "servers", "change", "two", "--weight", "7")
    stack.environment["TIDEGATE_API"] = stack.url()
    shown = {server["id"]: server for server in read_json(stack, "config", "show")["servers"]}
    assert (shown["two"]["weight"], set(shown)) == (7, {"one", "two"})
    read_json(stack, "servers", "remove", "one")
    assert [server["id"] for server in read_json(stack, "config", "show")["servers"]] == ["two"]
    stack.configure('[balancer]\nstrategy = "round_robin"\n' + table)
    stack.eventually(
        lambda: read_json(stack, "servers", "list")["strategy"], expected="round_robin", seconds=30
    )
    assert set(servers_by_id(stack)) == {"two"}
    assert servers_by_id(stack)["two"]["server"]["weight"] == 7

    stack.configure('[balancer]\nstrategy = "round_robin"\n' + table.replace("5000", "4000"))
    stack.eventually(lambda: set(servers_by_id(stack)), expected={"one", "two"}, seconds=30)
    assert servers_by_id(stack)["two"]["server"].get("weight", 1) == 1


def test_capability_that_no_service_type_is_called_is_refused_by_the_check(
    new_stack: Callable[..., Stack],
) -> None:
    stack = new_stack()
    stack.configure(stack.servers_toml("one").replace('"avatar"', '"avatra"'))

    done = stack.tidegate("config", "check")

    assert done.returncode == 2
    assert "one: capabilities: expected service types (avatar, image, video), got 'avatra'" in (
        done.stderr + done.stdout
    )
