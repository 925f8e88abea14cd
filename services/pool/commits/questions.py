"""What operators ask: answered by the fold, and by what the leader knows beside it."""

from datetime import datetime

import msgspec

from contracts.base import Reply
from contracts.pool import FindSessions, PoolStatus, PoolStatusReply
from runtime.eventlog.writer import SubjectWriter
from services.pool import domain
from services.pool.store import PoolLedger


def answer_of(
    ledger: PoolLedger, writer: SubjectWriter, asked: PoolStatus | FindSessions, now: datetime
) -> Reply:
    """Answer a question as of `now`."""
    sequence, epoch = writer.link.sequence, writer.epoch
    answer = domain.answer_question(ledger.state, asked, now, sequence, epoch)
    if not isinstance(answer, PoolStatusReply):
        return answer
    return msgspec.structs.replace(
        answer,
        unwritable_s=writer.unwritable_s,
        policy_trouble=ledger.policy_trouble,
        snapshot_trouble=ledger.snapshot_trouble,
        supply_trouble=ledger.supply_trouble,
        credentials_trouble=ledger.credentials_trouble,
    )
