-- server_days: attempts of a session at a server on a quota day; times of those that were sent.
insert into ledger.server_days by name
select quota_day::date as quota_day, server_id, session_id,
    count(*) as attempts,
    count(*) filter (verdict = 'success') as succeeded,
    count(*) filter (verdict in ('unreachable', 'outcome_unknown')) as failed,
    count(*) filter (sent) as timed,
    coalesce(sum(total_ms) filter (sent), 0) as total_ms,
    min(total_ms) filter (sent) as min_ms,
    max(total_ms) filter (sent) as max_ms
from batch_attempts
group by all
on conflict (quota_day, server_id, session_id) do update set
    attempts = attempts + excluded.attempts,
    succeeded = succeeded + excluded.succeeded,
    failed = failed + excluded.failed,
    timed = timed + excluded.timed,
    total_ms = total_ms + excluded.total_ms,
    min_ms = least(min_ms, excluded.min_ms),
    max_ms = greatest(max_ms, excluded.max_ms)
