"""`tidegate replay` on a real log: the state that it folds to."""

import json

import pytest

from contracts import envelope
from runtime.eventlog import EventLog
from services.pool.audit import Auditor
from services.pool.domain import state_hash
from tests.integration.tidegate.written import Written
from tests.unit.pool.builders import AVATAR, IMAGE, lease_granted, usage

pytestmark = pytest.mark.anyio


async def test_replay_shows_the_state_that_the_log_folds_to(written: Written) -> None:
    lease = lease_granted("one", IMAGE, "r1")
    await written.write([lease, lease_granted("one", AVATAR, "r2")])
    sequence = await written.write([usage(lease)], 5)

    code, out, err = await written.run("replay", "--json")
    found = json.loads(out)

    assert code == 0, err
    assert (found["sequence"], found["envelopes"], found["events"]) == (sequence, 4, 6)
    assert found["sessions"] == {"active": 1}
    assert found["leases"] == {"open": 1, "settled": 1}
    assert found["units"] == [
        {"quota_day": "2025-03-01", "service_type": "avatar", "used": 0, "reserved": 1},
        {"quota_day": "2025-03-01", "service_type": "image", "used": 1, "reserved": 0},
    ]
    auditor = Auditor("evt.pool.0")
    async for batch in EventLog(written.client).read_range("evt.>", 0, sequence):
        for stored in batch:
            auditor.audit_envelope(
                stored.sequence, stored.body, envelope.decode_envelope(stored.body)
            )
    assert found["state_hash"] == state_hash(auditor.pool)


async def test_replay_stops_at_the_sequence_it_is_given(written: Written) -> None:
    await written.write([lease_granted("one", IMAGE, "r1")])

    _, out, _ = await written.run("replay", "--json", "--upto", "2")

    assert (json.loads(out)["sequence"], json.loads(out)["leases"]) == (2, {})


async def test_replay_shows_people_the_units_and_the_hash(written: Written) -> None:
    await written.write([lease_granted("one", IMAGE, "r1")])

    code, out, _ = await written.run("replay")

    assert code == 0
    assert "2025-03-01" in out
    assert "state_hash" in out
