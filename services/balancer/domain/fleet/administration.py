"""What an administrator's command changes of the fleet, or why it is refused."""

from collections.abc import Container

from contracts.balancer import (
    AcceptConfiguration,
    BalancerAdmin,
    ConfigurationAccepted,
    DrainServer,
    PinStrategy,
    PutServer,
    RemoveServer,
    Server,
    ServerDrained,
    ServerRemoved,
    ServerUndrained,
    SetStrategy,
    StrategyChanged,
    StrategyPinned,
    StrategyUnpinned,
)
from contracts.base import Failed, ServerId
from runtime.texts import as_quoted
from services.balancer import strategies
from services.balancer.domain.fleet.configuration import ConfigurationEvent, put_events
from services.balancer.domain.fleet.fold import GENERAL, Fleet


def administration_events(
    fleet: Fleet, command: BalancerAdmin, open_to: Container[str] | None = None
) -> list[ConfigurationEvent] | Failed:
    """Decide what an administrator's command changes; nothing when it is so already.

    `open_to` are the only addresses that a server may be put to, beside its own; None: to any.
    """
    # So that no administrator's name is taken for a configuration's digest.
    source = f"by:{command.by}"
    match command:
        case PutServer():
            refused = _address_refusal(fleet, command.server, open_to)
            return refused or put_events(fleet, command.server, source)
        case RemoveServer():
            return _removal_events(fleet, command, source)
        case DrainServer():
            return _drain_events(fleet, command)
        case AcceptConfiguration():
            return [ConfigurationAccepted(digest=command.digest, by=command.by)]
        case _:
            return _strategy_events(fleet, command, source)


def _address_refusal(fleet: Fleet, server: Server, open_to: Container[str] | None) -> Failed | None:
    """Keep a server out that would be sent sessions which were made up for the demo's."""
    member = fleet.members.get(server.server_id)
    stays = member is not None and member.server.url == server.url
    if open_to is None or stays or server.url in open_to:
        return None
    message = (
        "url: expected a server of the demo, whose sessions are made up and would be sent to this"
        ' one; write [pool.provisioner] kind first: "file", "http" or "none" retires them,'
        ' "generated" keeps them'
    )
    return Failed(code="bad_request", message=message)


def _removal_events(
    fleet: Fleet, command: RemoveServer, source: str
) -> list[ConfigurationEvent] | Failed:
    if command.server_id in fleet.members:
        return [ServerRemoved(server_id=command.server_id, source=source)]
    return _unknown_server(command.server_id)


def _unknown_server(server_id: ServerId) -> Failed:
    message = f"server_id: there is no server {as_quoted(server_id)}"
    return Failed(code="not_found", message=message)


def _drain_events(fleet: Fleet, command: DrainServer) -> list[ConfigurationEvent] | Failed:
    """Drain a server, or stop draining it."""
    member = fleet.members.get(command.server_id)
    if member is None:
        return _unknown_server(command.server_id)
    if member.draining is not command.undrain:
        return []
    if command.undrain:
        return [ServerUndrained(server_id=command.server_id, by=command.by)]
    return [ServerDrained(server_id=command.server_id, by=command.by)]


def _pin_events(fleet: Fleet, command: PinStrategy) -> list[ConfigurationEvent] | Failed:
    """Pin a strategy, or take the pin away."""
    if command.strategy == fleet.pinned:
        return []
    if not command.strategy:
        return [StrategyUnpinned(by=command.by)]
    if objection := strategies.strategy_objection(command.strategy):
        return Failed(code="bad_request", message=f"strategy: {objection}")
    return [StrategyPinned(strategy=command.strategy, by=command.by)]


def _strategy_events(
    fleet: Fleet, command: SetStrategy | PinStrategy, source: str
) -> list[ConfigurationEvent] | Failed:
    """Choose by another strategy, for one service type or for all that have none of their own."""
    if isinstance(command, PinStrategy):
        return _pin_events(fleet, command)
    service_type = command.service_type
    own = service_type != GENERAL
    standing = fleet.strategies.get(service_type, "") if own else fleet.strategy
    # A service type may have none of its own; for all the others somebody has to choose.
    if command.strategy or not own:
        objection = strategies.strategy_objection(command.strategy)
        if objection:
            return Failed(code="bad_request", message=f"strategy: {objection}")
    if command.strategy == standing:
        return []
    return [
        StrategyChanged(
            strategy=command.strategy,
            reason=command.reason,
            source=source,
            service_type=service_type,
            entry=fleet.strategy_entries.get(service_type, ""),
        )
    ]
