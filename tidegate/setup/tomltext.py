"""The configuration that `init` writes: what was said and found, each with a word on it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from contracts.balancer import PING_PATH, PLAIN
from services.pool.settings import PoolSection
from tidegate.probing.freecalls import ServerTried
from tidegate.setup.wishes import Wishes

_HEAD = """\
# Made by `tidegate init`. What is left out has its default: every setting is in
# docs/reference/settings.md; `tidegate config show` shows those in force.
# Changes are taken up while it runs."""
_COLUMN = 34
"""Where the words beside a setting begin."""
_MAX_SIZE = PoolSection().max_size


def configuration_text(wishes: Wishes, tried: Sequence[ServerTried], folder: Path) -> str:
    """Write the file that is to lie in `folder`."""
    tables = [_pool_table(wishes), *_provisioner_table(wishes, folder)]
    for name, limit in wishes.limits.items():
        words = "units a session may use a day; a call is one"
        tables.append([f"[services.{name}]", _setting("daily_limit", limit, words)])
    if tried:
        tables += [_server_table(number, server) for number, server in enumerate(tried, 1)]
    else:
        tables.append(
            ["# No [[servers]]: `tidegate up` runs four of the demo, with made-up sessions."]
        )
    return "\n\n".join([_HEAD, *("\n".join(table) for table in tables)]) + "\n"


def server_id(number: int) -> str:
    """Name the server that was given as the `number`th, from 1."""
    return f"server-{number}"


def sessions_wanted(wishes: Wishes) -> int | None:
    """How many sessions the pool is to have; None: as many as it has by default."""
    if not wishes.servers:
        return None
    if wishes.credentials is not None:
        return max(wishes.credentials.good, 1)
    return wishes.sessions if wishes.hook else 0


def _pool_table(wishes: Wishes) -> list[str]:
    lines = ["[pool]"]
    wanted = sessions_wanted(wishes)
    if wanted is not None:
        lines.append(_setting("min_size", wanted, "sessions; fewer are told as too few"))
        if wanted > _MAX_SIZE:
            lines.append(_setting("max_size", wanted, "sessions; no more are ever added"))
    zone = wishes.timezone
    lines.append(_setting("quota_timezone", zone, "where the day of every quota begins"))
    return lines


def _provisioner_table(wishes: Wishes, folder: Path) -> Iterator[list[str]]:
    """Say where sessions come from; of the demo nothing need be said."""
    if not wishes.servers:
        return
    lines = ["[pool.provisioner]"]
    if wishes.credentials is not None:
        lines.append(_setting("kind", "file", "one a line; read again when it changes"))
        lines.append(_setting("path", _path_from(wishes.credentials.path, folder)))
    elif wishes.hook:
        lines.append(_setting("kind", "http", "as docs/how-to/provision-by-hook.md has it"))
        lines.append(_setting("url", wishes.hook))
        if wishes.token_file:
            token = _path_from(Path(wishes.token_file), folder)
            lines.append(_setting("token_file", token, "shown to it as Authorization: Bearer"))
    else:
        lines.append(_setting("kind", "none", "by `tidegate sessions add` and `import`"))
    yield lines


def _server_table(number: int, server: ServerTried) -> list[str]:
    """Name a server as it was found."""
    probed = server.probed
    lines = ["[[servers]]", _setting("id", server_id(number)), _setting("url", probed.url)]
    if probed.why:
        lines.append('# dialect = "…"  # it did not answer: `tidegate servers probe` asks again')
        return lines
    if probed.dialect != PLAIN:
        lines.append(_setting("dialect", probed.dialect, "what it speaks, by its own page"))
    if not server.probe_path:
        lines.append('# probe_path = "/…"  # no good probe was found: name a path')
    elif server.probe_path != PING_PATH:
        words = f"asked whether it lives: it has no {PING_PATH}"
        lines.append(_setting("probe_path", server.probe_path, words))
    return lines


def _path_from(path: Path, folder: Path) -> str:
    """Name a file beside the configuration by where it is from there, another by its whole path."""
    whole, beside = path.absolute(), folder.absolute()
    return str(whole.relative_to(beside) if whole.is_relative_to(beside) else whole)


def _setting(name: str, value: str | int, words: str = "") -> str:
    """Write a setting; a basic string of TOML is written as JSON writes it."""
    written = f"{name} = {json.dumps(value, ensure_ascii=False)}"
    return f"{written:<{_COLUMN}}# {words}" if words else written
