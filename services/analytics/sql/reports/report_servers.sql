-- report_servers: tries at each server, and what they took; health is today's.
-- section 70 bars server succeeded others failed: By server
-- Failed ones are those the server is blamed for; the others it rightly refused. success_rate, as
-- the load balancer shows it for the last minutes: the share for which it was not to blame.
-- health and why are of this moment: ejected 2 min ago: 5 failures in a row, back in 28 s.
-- $since, $until (date): quota days, the second one excluded.
select server,
    any_value(known.region) as region,
    count(*) as attempts,
    count(*) filter (verdict = 'success') as succeeded,
    count(*) filter (verdict in ('unreachable', 'outcome_unknown')) as failed,
    count(*) filter (verdict not in ('success', 'unreachable', 'outcome_unknown')) as others,
    1 - count(*) filter (verdict in ('unreachable', 'outcome_unknown')) / count(*) as success_rate,
    quantile_cont(total_ms, 0.5) filter (sent) as attempt_p50_ms,
    quantile_cont(total_ms, 0.95) filter (sent) as attempt_p95_ms,
    quantile_cont(total_ms, 0.99) filter (sent) as attempt_p99_ms,
    any_value(known.condition) as health,
    any_value(known.why) as why
from attempt_facts
left join servers as known on known.server_id = server
where day >= $since and day < $until
group by server
order by attempts desc, server
