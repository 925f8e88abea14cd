"""What the docs have typed of containers can be typed as it stands."""

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.nats import natsserver
from tests.compose.containers import IMAGE, cloned, run_command
from tests.e2e.docblocks import Block, Typist, blocks_of, write_program

COMPOSE = "docs/how-to/compose.md"
FIRST_DAY = "docs/how-to/first-day-in-production.md"
ROTATE = "docs/how-to/rotate-the-master-key.md"
_CLUSTER = "docker compose -f docker-compose.yml -f docker-compose.cluster.yml"


@pytest.fixture
def typist(tmp_path: Path) -> Iterator[Typist]:
    """Somebody in a fresh clone, with a project and ports of their own; as root, who needs no sudo.

    The image is built and named as that of the other tests.
    """
    port = natsserver.free_port()
    made = Typist(
        cloned(tmp_path / "clone"),
        {"8080-8081": f"{port}-{port + 1}", "8080": str(port), "sudo ": ""},
        COMPOSE_PROJECT_NAME=f"tidegate-test-{secrets.token_hex(3)}",
        COMPOSE_PROGRESS="quiet",
        TIDEGATE_IMAGE=IMAGE,
        TIDEGATE_PORT=str(port),
    )
    made.ready_s = 500
    try:
        yield made
    finally:
        everything = ("--profile", "cli", "--profile", "demo")
        end = ("down", "--volumes", "--remove-orphans", "--timeout", "60")
        compose(made, *everything, *end)


def compose(typist: Typist, *words: str) -> str:
    """Run `docker compose` where the page is typed."""
    return run_command("docker", "compose", *words, cwd=typist.clone, env=typist.environment)


def commands_of(page: str) -> list[Block]:
    """Those blocks of a page that are typed among containers."""
    commands = [block for block in blocks_of(page) if block.kind == "sh"]
    return [block for block in commands if "docker compose" in block.text]


def test_page_of_containers_can_be_typed_as_it_stands(typist: Typist) -> None:
    """Between its blocks stands what the page says in words: it runs on, it has no log any more."""
    blocks = [block for block in commands_of(COMPOSE) if not block.text.startswith(_CLUSTER)]
    start, call, operate, back_up, restore, rotate, two_gateways = blocks

    for page in ("README.md", "README.zh-CN.md"):
        assert all(block.text.strip() in start.text for block in commands_of(page))

    typist.type_block(start)
    typist.type_block(call)
    typist.type_block(operate)
    compose(typist, "--profile", "demo", "up", "--wait")
    typist.type_block(Block("sh", "sudo install -d -o 10001 -m 700 backups\n"))
    typist.type_block(back_up)
    compose(typist, "--profile", "demo", "--profile", "cli", "down")
    run_command("docker", "volume", "rm", f"{typist.environment['COMPOSE_PROJECT_NAME']}_log")
    typist.type_block(restore)
    typist.type_block(rotate)
    typist.type_block(two_gateways)

    said = "\n".join(typist.said)
    assert said.count("no violation") == 2
    assert "b64_json" in said or "/pictures/" in said


def test_first_day_among_containers_can_be_typed_with_a_server_on_this_machine(
    typist: Typist,
) -> None:
    (block,) = commands_of(FIRST_DAY)
    port = str(natsserver.free_port())
    typist.instead |= {"host.docker.internal:8000": f"host.docker.internal:{port}"}
    (typist.clone / "sessions.txt").write_text("account-of-alice-0001\n")
    (typist.clone / ".venv" / "bin").mkdir(parents=True)
    server = f"exec {sys.executable} -m tidegate.main demo server --host 0.0.0.0 --port {port}"
    ready = f"stays: curl -sf http://127.0.0.1:{port}/ping"
    typist.type_block(Block("sh", server, ready))
    try:
        write_program(
            typist.clone / ".venv" / "bin" / "tidegate",
            f'exec {sys.executable} -P -m tidegate.main "$@"',
        )
        typist.type_block(block)
    finally:
        typist.stop()

    assert typist.said[-1].count("a call would succeed now") == 3


def test_master_key_is_rotated_as_its_page_says(typist: Typist) -> None:
    """The key that `.env` gives is written where the command may change it, then changed."""
    in_containers, from_env = commands_of(ROTATE)
    secret = "master-key-planted-for-the-tests-of-containers"
    (typist.clone / ".env").write_text(f"TIDEGATE_SECRET_KEY={secret}\n")
    compose(typist, "up", "--wait")
    typist.environment["TIDEGATE_SECRET_KEY"] = secret

    typist.type_block(from_env)
    (typist.clone / ".env").write_text("")
    del typist.environment["TIDEGATE_SECRET_KEY"]
    compose(typist, "up", "--wait")
    typist.type_block(in_containers)

    assert "every credential is sealed under the key" in typist.said[-1]
