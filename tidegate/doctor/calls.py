"""Whether a call would succeed now: the gateway goes its way, up to where it would be sent."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from runtime.process.findings import DoctorFinding, fine, note, unchecked, wrong
from runtime.settings import SettingsError
from runtime.texts import as_shown
from tidegate.console import api
from tidegate.console.errors import CommandError, GatewayAbsentError

AREA = "calls"
_USED_UP, _BUSY = "pool_quota_exhausted", "pool_saturated"


def call_findings() -> list[DoctorFinding]:
    """Have the gateway try a call of every service type, as far as somebody here may ask it."""
    try:
        rehearsed = api.post("/api/doctor/try", {})["data"]
        servers = [view["server"] for view in api.get("/api/servers")["data"]]
    except SettingsError as error:
        return [unchecked(AREA, f"whether one would succeed: {error}")]
    except GatewayAbsentError:
        return []  # that there is none is told elsewhere
    except CommandError as error:
        return [unchecked(AREA, f"whether one would succeed: {error}")]
    return list(rehearsal_findings(rehearsed, servers))


def rehearsal_findings(
    rehearsed: Collection[Mapping[str, Any]], servers: Collection[Mapping[str, Any]]
) -> Iterator[DoctorFinding]:
    """Judge what a call of each service type would meet; `servers` are those that there are."""
    for call in rehearsed:
        name, why = call["service_type"], as_shown(str(call["why"]))
        if call["succeeds"]:
            took = f"lease {call['lease_ms']:.0f} ms, {call['server_id']}"
            presumed = _presumed_words(servers, call["server_id"], name)
            yield fine(AREA, f"{name}: a call would succeed now ({took}){presumed}")
        elif call["code"] == _USED_UP and call["resets_at"]:
            yield fine(AREA, f"{name}: nothing left until {call['resets_at']}")
        elif call["code"] == _BUSY:
            yield note(AREA, "call_waits", f"{name}: a call would fail now: {why}")
        elif servers and not any(_can_do(server, name) for server in servers):
            yield note(AREA, "service_unserved", f"{name}: no server names it in its capabilities")
        else:
            yield wrong(AREA, "call_fails", f"{name}: a call would fail now: {why}")


def _presumed_words(
    servers: Collection[Mapping[str, Any]], server_id: str, service_type: str
) -> str:
    """Say that nobody named what the server does, if nobody did: it is sent whatever is asked."""
    chosen = [server for server in servers if server.get("server_id") == server_id]
    if not chosen or any(server.get("capabilities") for server in chosen):
        return ""
    return f", if that does {service_type}: it names no capabilities"


def _can_do(server: Mapping[str, Any], service_type: str) -> bool:
    capabilities = server.get("capabilities") or ()
    return not capabilities or service_type in capabilities
