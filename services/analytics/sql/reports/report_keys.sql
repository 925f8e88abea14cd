-- report_keys: who asked for it: the 50 keys with the most leases and refusals.
-- section 80 table: By client key
-- Requests are calls that got a lease, each once; the rate is of leases that failed. What clients
-- saw stands beside it: the share of a key's calls answered an error or not at all.
-- $since, $until (date): quota days, the second one excluded.
with told as (
    select key, (number = 1)::int as requests, 0 as refused, units_used, failed, ended, model
    from lease_facts where day >= $since and day < $until
    union all
    select key, 0, "count", 0, false, false, null
    from refusal_facts where day >= $since and day < $until
),
ends as (
    select key, sum(failed) / nullif(sum(calls - gone), 0) as call_failure_rate
    from call_facts where day >= $since and day < $until group by key
)
select coalesce(any_value(known.name), '') as name,
    told.key,
    whole(sum(requests)) as requests,
    whole(sum(refused)) as refused,
    whole(sum(units_used)) as units_used,
    count(*) filter (failed) / nullif(count(*) filter (ended), 0) as lease_failure_rate,
    any_value(ends.call_failure_rate) as call_failure_rate,
    mode(nullif(told.model, '')) as favourite_model
from told
left join ends using (key)
left join ledger.keys as known on known.key_id = told.key
group by told.key
order by sum(requests) + sum(refused) desc, told.key
limit 50
