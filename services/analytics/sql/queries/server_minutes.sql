-- server_minutes: attempts at servers by the minute in which they were told, and how they went.
-- failed: those that the server is blamed for; times in ms, of attempts that were sent.
-- $minutes (integer = 60): so many of the last.
select server_id, date_trunc('minute', ts) as minute, count(*) as attempts,
    count(*) filter (verdict in ('unreachable', 'outcome_unknown')) as failed,
    round(quantile_cont(total_ms, 0.5) filter (sent), 3) as p50_ms,
    round(quantile_cont(total_ms, 0.95) filter (sent), 3) as p95_ms
from ledger.attempts
where ts > (select now from today) - $minutes * interval 1 minute
group by all
order by server_id, minute
