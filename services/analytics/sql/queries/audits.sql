-- audits: what was recorded of audits, backups and checkpoints of the pool's ledger, the latest first.
-- `detail` is the event as JSON.
-- $limit (integer = 20): of each at most so many.
select event, sequence || '.' || position as event_id, sequence, ts, caused_by, detail
from ledger.entity_events
where event in ('audit_recorded', 'backup_recorded', 'pool_checkpointed')
qualify row_number() over (partition by event order by sequence desc, position desc) <= $limit
order by sequence desc, position desc
