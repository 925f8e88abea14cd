-- report_totals: the period in one row.
-- section 10 figures: At a glance
-- Requests are calls that got a lease; failures are leases that ended released, unknown or expired.
-- $since, $until (date): quota days, the second one excluded.
with leases as (from lease_facts where day >= $since and day < $until)
select count(distinct request_id) as requests,
    (select whole(coalesce(sum("count"), 0)) from refusal_facts
        where day >= $since and day < $until) as refused,
    whole(coalesce(sum(units_used), 0)) as units_used,
    whole(coalesce(sum(units_settled), 0)) as units_settled,
    whole(coalesce(sum(units_unknown + units_expired), 0)) as units_in_doubt,
    count(*) filter (failed) / nullif(count(*) filter (ended), 0) as failure_rate,
    quantile_cont(total_ms, 0.5) filter (answered) as latency_p50_ms,
    quantile_cont(total_ms, 0.95) filter (answered) as latency_p95_ms,
    quantile_cont(total_ms, 0.99) filter (answered) as latency_p99_ms,
    count(distinct session) filter (units_used > 0) as active_sessions,
    whole(coalesce(sum(bytes_in), 0)) as bytes_in,
    whole(coalesce(sum(bytes_out), 0)) as bytes_out
from leases
