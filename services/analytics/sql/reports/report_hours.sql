-- report_hours: when the work came, and how it ended.
-- section 30 bars hour settled refused failed: Hour by hour
-- Hours are UTC; a quota day of another time zone begins at another hour. What the log dates more
-- than a day away from its quota day is left out.
-- $since, $until (date): quota days, the second one excluded.
with told as (
    select hour, (outcome = 'settled')::int as settled, failed::int as failed, 0 as refused,
        case when answered then total_ms end as total_ms
    from lease_facts where day >= $since and day < $until
    union all
    select hour, 0, 0, "count", null from refusal_facts where day >= $since and day < $until
),
span as (
    select unnest(range(
        greatest(min(hour), $since::timestamp - interval 1 day),
        least(max(hour), $until::timestamp + interval 1 day) + interval 1 hour,
        interval 1 hour
    )) as hour
    from told
)
select span.hour,
    whole(coalesce(sum(settled), 0)) as settled,
    whole(coalesce(sum(failed), 0)) as failed,
    whole(coalesce(sum(refused), 0)) as refused,
    quantile_cont(total_ms, 0.5) as latency_p50_ms,
    quantile_cont(total_ms, 0.95) as latency_p95_ms
from span left join told using (hour)
group by span.hour
order by span.hour
