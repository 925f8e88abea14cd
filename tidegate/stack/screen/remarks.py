"""What is said beside a start: whose servers are in force, what does nothing, what is missing."""

from collections.abc import Iterator, Mapping, Sequence

from contracts.balancer import HeldConfiguration
from runtime.environment import Environment
from services.balancer.settings import unnameable_servers
from tidegate.configuration import UNUSED_NAME, Configuration, lacking_text

_HELD = """
The configuration is held: {reason}. The servers of before are in force: {own}. Put the file
right, or let it through by `tidegate config accept`.
"""
_BESIDE = """
Beside the demo's servers stand your own: {own}.
"""
_NO_KIND = """
Nothing says where sessions come from, so the demo's made-up ones are given to your servers:
[pool.provisioner] kind = "file", "http" or "none" says it, and retires them.
"""


def start_notes(
    environment: Environment,
    configuration: Configuration,
    dead_keys: Mapping[str, str],
    behind: str | None,
) -> Iterator[str]:
    """Name the keys that open nothing, what was meant and does nothing, and what is not there."""
    yield from dead_keys.values()
    if environment.config_lacking is not None:
        yield lacking_text(environment.config_lacking)
    if configuration.stack.name and environment.nats_url is None:
        yield UNUSED_NAME
    if behind:
        yield f"No statistics for now: {behind}"
    if odd := unnameable_servers(configuration.servers):
        yield odd


def servers_remark(
    held: HeldConfiguration | None, own: Sequence[str], *, demo: bool, written: bool
) -> str:
    """Say whose servers are in force, and what that asks of whoever starts it.

    `demo`: the demo's run; `written`: somebody wrote where sessions come from.
    """
    names = ", ".join(own)
    if held is not None:
        return _HELD.format(reason=held.reason, own=names or "the demo's")
    beside = _BESIDE.format(own=names) if demo else ""
    return beside + ("" if written else _NO_KIND)
