-- report_totals: the period in one row.
-- section 10 figures: At a glance
-- Requests are calls that got a lease, each once; refused is how often a lease was refused. Calls
-- are all that clients of known keys saw come to an end: call_failure_rate is the share of them
-- answered an error or not at all, those whose client left apart. lease_failure_rate is of leases
-- that ended released, unknown, expired, or unserved for want of a server.
-- $since, $until (date): quota days, the second one excluded.
with leases as (from lease_facts where day >= $since and day < $until)
select count(*) filter (number = 1) as requests,
    (select whole(coalesce(sum("count"), 0)) from refusal_facts
        where day >= $since and day < $until) as refused,
    whole(coalesce(sum(units_used), 0)) as units_used,
    whole(coalesce(sum(units_settled), 0)) as units_settled,
    whole(coalesce(sum(units_unknown + units_expired), 0)) as units_in_doubt,
    (select whole(coalesce(sum(calls), 0)) from call_facts
        where day >= $since and day < $until) as calls,
    (select sum(failed) / nullif(sum(calls - gone), 0) from call_facts
        where day >= $since and day < $until) as call_failure_rate,
    count(*) filter (failed) / nullif(count(*) filter (ended), 0) as lease_failure_rate,
    count(*) filter (unserved) as unserved,
    quantile_cont(total_ms, 0.5) filter (answered) as latency_p50_ms,
    quantile_cont(total_ms, 0.95) filter (answered) as latency_p95_ms,
    quantile_cont(total_ms, 0.99) filter (answered) as latency_p99_ms,
    count(distinct session) filter (units_used > 0) as active_sessions,
    whole(coalesce(sum(bytes_in), 0)) as bytes_in,
    whole(coalesce(sum(bytes_out), 0)) as bytes_out
from leases
