"""Whether a call would succeed now, found out without one."""

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from contracts.base import ServiceType
from services.gateway.accounts.rehearsal import CallRehearsed
from services.gateway.clients.keys import Key
from services.gateway.routes.admin.strategies import check_types
from services.gateway.routes.doors import Doors


class WantedRehearsal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which service types are tried."""

    service_types: list[str] = []
    """Empty: every one that is configured."""


class RehearsedCalls(msgspec.Struct, frozen=True, kw_only=True):
    """What a call would meet now, one of each service type."""

    data: list[CallRehearsed]


@post("/doctor/try", status_code=200, tags=["doctor"], summary="Whether a call would succeed now")
async def rehearse_calls(
    doors: NamedDependency[Doors],
    admin: NamedDependency[Key],
    data: JSONBody[WantedRehearsal],
) -> RehearsedCalls:
    """Go a call's way, for each service type, up to where it would be sent to a server.

    One lease is granted and given back, and a server named. It costs nothing, and is in no figure
    of calls: neither requests nor failures; no session counts as used. Where it would not succeed,
    `why`, `code` and `status` are what a client would be told.
    """
    check_types("service_types", data.service_types, doors)
    wanted = data.service_types or list(doors.settings().services)
    rehearse = doors.rehearsal.rehearse_call
    return RehearsedCalls(data=[await rehearse(ServiceType(name), admin) for name in wanted])
