-- attempt_facts: one row per try at a server by the dimensions of statistics; model, key, outcome
-- and error are its lease's, `status` is what the server answered.
select attempt.quota_day as day,
    date_trunc('hour', coalesce(lease.granted_at, attempt.ts)) as hour,
    attempt.service_type as service,
    coalesce(lease.model, '') as model,
    attempt.session_id as session,
    attempt.server_id as server,
    attempt.region,
    coalesce(lease.key_id, '') as key,
    attempt.status,
    coalesce(lease.outcome, '') as outcome,
    attempt.verdict,
    coalesce(lease.error_code, '') as error,
    attempt.strategy,
    attempt.attempt,
    attempt.failure,
    attempt.sent,
    attempt.connect_ms,
    attempt.first_byte_ms,
    attempt.total_ms
from ledger.attempts as attempt
left join ledger.leases as lease
    on lease.lease_id = attempt.lease_id and lease.quota_day = attempt.quota_day
