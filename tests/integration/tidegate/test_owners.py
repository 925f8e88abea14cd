"""`migrate --secrets --homes`: every owner that runs in a container gets its own secrets alone."""

import os
import subprocess
import sys
from pathlib import Path

import nats
import pytest

from contracts.subjects import USERS
from runtime.nats import natsserver
from tests import ROOT
from tidegate.stack.home.owners import OWNERS

SECRETS = {
    "gateway": {"gateway.nats", "master.key", "identity.key"},
    "pool": {"pool.nats", "snapshotter.nats", "master.key", "identity.key"},
    "balancer": {"balancer.nats"},
    "analytics": {"analytics.nats"},
    "migrate": {"migrate.nats", "operator.key", "client.key"},
    "archiver": {"archiver.nats"},
    "nats": {"nats-server.conf"},
    "operator": {"auditor.nats", "operator.key", "client.key"},
}


def migrate(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tidegate.main", "migrate", "--secrets", *arguments],
        env={
            **os.environ,
            "TIDEGATE_HOME": str(folder / "whole"),
            "PYTHONPATH": str(ROOT),
            **variables,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def furnished(folder: Path, *owners: str, **variables: str) -> Path:
    """The homes of `owners`, or of all."""
    for owner in owners or OWNERS:
        (folder / "homes" / owner).mkdir(parents=True, exist_ok=True)
    done = migrate(folder, "--homes", str(folder / "homes"), **variables)
    assert done.returncode == 0, done.stderr
    return folder / "homes"


def found_in(home: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in home.rglob("*") if path.is_file()}


def test_each_owner_gets_its_own_secrets_alone(tmp_path: Path) -> None:
    homes = furnished(tmp_path)
    whole = found_in(tmp_path / "whole")

    for owner in OWNERS:
        files = found_in(homes / owner)
        assert set(files) - {"tidegate.toml"} == SECRETS[owner]
        assert all(files[name] == whole[name] for name in files if name in whole)
        everything = "".join(files.values())
        foreign = {
            name
            for name in whole
            if name.endswith((".nats", ".key")) and whole[name].strip() in everything
        } - SECRETS[owner]
        assert foreign == ({f"{user}.nats" for user in USERS} if owner == "nats" else set())
    assert {path.stat().st_mode & 0o077 for path in homes.glob("*/**/*") if path.is_file()} == {0}


def test_an_owner_without_a_place_gets_nothing(tmp_path: Path) -> None:
    assert [path.name for path in furnished(tmp_path, "pool").iterdir()] == ["pool"]


def test_homes_without_any_place_are_refused(tmp_path: Path) -> None:
    done = migrate(tmp_path, "--homes", str(tmp_path))

    assert done.returncode == 2
    assert "--homes: expected a folder with one of gateway, pool," in done.stderr


def test_homes_are_of_the_secrets(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tidegate.main", "migrate", "--homes", str(tmp_path)],
        env={**os.environ, "TIDEGATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "expected --secrets with it" in done.stderr


def test_keys_come_from_files_and_an_empty_file_gives_none(tmp_path: Path) -> None:
    given = {"TIDEGATE_ADMIN_KEY": "sk-an-admin-of-mine\n", "TIDEGATE_CLIENT_KEY": "\n"}
    given |= {"TIDEGATE_SECRET_KEY": "a master key", "TIDEGATE_IDENTITY_KEY": ""}
    for name, text in given.items():
        (tmp_path / name).write_text(text)
    files = {f"{name}_FILE": str(tmp_path / name) for name in given}

    homes = furnished(tmp_path, **files)

    operator, pool = found_in(homes / "operator"), found_in(homes / "pool")
    assert operator["operator.key"].strip() == "sk-an-admin-of-mine"
    assert len(operator["client.key"].strip()) > 20
    assert pool["master.key"].strip() == "a master key"
    assert len(pool["identity.key"].strip()) > 20
    assert "master.key" not in found_in(tmp_path / "whole")


def test_a_key_file_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    done = migrate(tmp_path, TIDEGATE_ADMIN_KEY_FILE=str(tmp_path / "none"))

    assert done.returncode == 2
    assert "TIDEGATE_ADMIN_KEY_FILE: expected a file to read" in done.stderr


def test_the_configuration_of_a_folder_reaches_every_owner_each_time(tmp_path: Path) -> None:
    before = furnished(tmp_path, TIDEGATE_CONFIG=str(tmp_path))

    assert "defaults are in force" in (before / "pool" / "tidegate.toml").read_text()

    (tmp_path / "tidegate.toml").write_text("[pool]\nmin_size = 3\n")

    homes = furnished(tmp_path, TIDEGATE_CONFIG=str(tmp_path))

    for owner in set(OWNERS) - {"nats"}:
        assert (homes / owner / "tidegate.toml").read_text() == "[pool]\nmin_size = 3\n"


def test_a_wrong_configuration_reaches_nobody(tmp_path: Path) -> None:
    (tmp_path / "tidegate.toml").write_text("[pool]\nmin_syze = 3\n")
    (tmp_path / "homes" / "pool").mkdir(parents=True)

    done = migrate(tmp_path, "--homes", str(tmp_path / "homes"), TIDEGATE_CONFIG=str(tmp_path))

    assert done.returncode == 2
    assert "pool.min_syze: there is no such setting" in done.stderr
    assert found_in(tmp_path / "homes") == {}


def test_the_balancer_knows_the_demo_servers_by_their_names(tmp_path: Path) -> None:
    for owner in ("balancer", "gateway", "pool"):
        (tmp_path / "homes" / owner).mkdir(parents=True)

    migrate(tmp_path, "--homes", str(tmp_path / "homes"), "--demo-url", "http://{id}:9001")

    listed = found_in(tmp_path / "homes" / "balancer")["demo-servers.json"]
    assert '"url": "http://server-4:9001"' in listed
    # The pool makes sessions up for the demo's servers alone.
    assert found_in(tmp_path / "homes" / "pool")["demo-servers.json"] == listed
    assert "demo-servers.json" not in found_in(tmp_path / "homes" / "gateway")


def test_several_addresses_are_a_cluster_whose_members_know_each_other(tmp_path: Path) -> None:
    urls = "nats://nats:4222, nats://nats-2:4222,nats://nats-3:4222"

    homes = furnished(tmp_path, "nats", "pool", TIDEGATE_NATS_URL=urls)

    text = found_in(homes / "nats")["nats-server.conf"]
    password = found_in(tmp_path / "whole")["cluster.nats"].strip()

    for host in ("nats", "nats-2", "nats-3"):
        assert f"nats-route://route:{password}@{host}:6222" in text
    assert password not in "".join(found_in(homes / "pool").values())
    again = furnished(tmp_path, "nats", TIDEGATE_NATS_URL=urls)
    assert found_in(again / "nats")["nats-server.conf"] == text


def test_one_address_is_no_cluster(tmp_path: Path) -> None:
    homes = furnished(tmp_path, "nats", TIDEGATE_NATS_URL="nats://nats:4222")

    assert "cluster" not in found_in(homes / "nats")["nats-server.conf"]
    assert "cluster.nats" not in found_in(tmp_path / "whole")


@pytest.mark.anyio
async def test_nats_takes_its_configuration_and_knows_the_owners(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = furnished(tmp_path, "nats", "pool")
    port = natsserver.free_port()
    # As it is but for its place on this machine.
    text = (homes / "nats" / "nats-server.conf").read_text()
    for whole, here in (
        (f"port: {natsserver.CLIENT_PORT}", f"port: {port}"),
        (f":{natsserver.MONITOR_PORT}", f":{natsserver.free_port()}"),
        ('"/store"', f'"{tmp_path / "store"}"'),
        ("0.0.0.0", "127.0.0.1"),
    ):
        assert whole in text
        text = text.replace(whole, here)
    (tmp_path / "server.conf").write_text(text)
    monkeypatch.setenv("HOSTNAME", "nats-of-a-test")
    process = natsserver.start_server(tmp_path / "server.conf", tmp_path / "nats.log", port)
    try:
        password = found_in(homes / "pool")["pool.nats"].strip()
        client = await nats.connect(f"nats://pool:{password}@127.0.0.1:{port}")
        name = client._server_info["server_name"]
        await client.close()
    finally:
        process.terminate()
        process.wait(10)

    assert name == "nats-of-a-test"
    assert "sync_interval: always" in text


def test_key_given_by_variable_seals_and_those_that_were_kept_still_open(tmp_path: Path) -> None:
    """One that was rotated since it was given would open nothing by itself."""
    homes = furnished(tmp_path)
    made = (tmp_path / "whole" / "secrets" / "master.key").read_text()
    assert found_in(homes / "pool")["master.key"] == made

    furnished(tmp_path, TIDEGATE_SECRET_KEY="given")

    assert found_in(homes / "pool")["master.key"] == f"given\n{made}"
    assert found_in(homes / "gateway")["master.key"] == f"given\n{made}"
