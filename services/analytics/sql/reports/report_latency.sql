-- report_latency: how long a call took, day by day, of those a gateway recorded.
-- section 40 line day latency_p50_ms latency_p95_ms latency_p99_ms: Latency, the last two weeks
-- $since, $until (date): quota days, the second one excluded.
select day,
    count(*) filter (answered) as calls,
    quantile_cont(total_ms, 0.5) filter (answered) as latency_p50_ms,
    quantile_cont(total_ms, 0.95) filter (answered) as latency_p95_ms,
    quantile_cont(total_ms, 0.99) filter (answered) as latency_p99_ms
from lease_facts
where day >= least($since, $until - 14) and day < $until
group by day
order by day
