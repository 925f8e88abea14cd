-- server_responses: attempts and response times (ms, of those sent) per server.
-- $since, $until (date): quota days, the second one excluded.
select server_id,
    count(*) as attempts,
    count(*) filter (verdict = 'success') as succeeded,
    count(*) filter (verdict in ('unreachable', 'outcome_unknown')) as failed,
    avg(total_ms) filter (sent) as avg_ms,
    min(total_ms) filter (sent) as min_ms,
    quantile_cont(total_ms, 0.5) filter (sent) as p50_ms,
    quantile_cont(total_ms, 0.95) filter (sent) as p95_ms,
    quantile_cont(total_ms, 0.99) filter (sent) as p99_ms,
    max(total_ms) filter (sent) as max_ms
from attempts
where quota_day >= $since and quota_day < $until
group by server_id
order by server_id
