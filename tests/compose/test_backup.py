"""A backup of one stack, taken while it is called, restored into another as the how-to says."""

import shutil
from pathlib import Path

from tests.compose.conftest import CONFIGURATION
from tests.compose.containers import Containers


def test_backup_is_restored_into_another_stack_which_goes_on(
    stack: Containers, tmp_path: Path
) -> None:
    backups = tmp_path / "backups"
    backups.mkdir(mode=0o777)
    backups.chmod(0o777)

    for _ in range(3):
        assert stack.image().status_code == 200
    keeper = ("run", "--rm", "-T", "-v", f"{backups}:/backups", "keeper")
    stack.compose(*keeper, "backup", "/backups/all.tar")
    stack.recovered()
    used = units(stack)

    other = Containers(tmp_path / "clone")
    other.configure(CONFIGURATION + other.servers())
    # What `.env` gives is in no backup: it says so, and whoever restores gives it again.
    shutil.copy(stack.folder / ".env", other.folder)
    try:
        other.compose("up", "--build", "--wait", "nats")
        other.compose(*keeper, "restore", "/backups/all.tar", "--replace", "--homes", "/homes")
        other.up()

        assert other.client_key == stack.client_key
        assert other.operator_key == stack.operator_key
        other.recovered()
        report = other.audit()
        assert (report["exit"], report["violations"], report["duckdb"]) == (0, [], "agrees")
        assert '"rebuilding"' not in other.said("analytics")
        before = units(other)
        assert 0 < before["image"] <= used["image"] + 3
        assert other.image().status_code == 200
        other.recovered()
        assert units(other)["image"] > before["image"]
    finally:
        other.down()


def units(stack: Containers) -> dict[str, int]:
    """Units used by service, as the log has them."""
    found: dict[str, int] = {}
    for total in stack.audit()["totals"]:
        found[total["service_type"]] = found.get(total["service_type"], 0) + total["used"]
    return found
