from pathlib import Path

import pytest

from tests.contract.ground import Ground, RealGround, SimulatedGround


@pytest.fixture(params=["nats-server", "simulated"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    """Where a law is tried: whatever holds over nats-server must hold in the simulation."""
    return RealGround(tmp_path) if request.param == "nats-server" else SimulatedGround()
