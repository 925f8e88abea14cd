-- report_keys: who asked for it: the 50 keys with the most leases and refusals.
-- section 80 table: By client key
-- $since, $until (date): quota days, the second one excluded.
with told as (
    select key, request_id, 0 as refused, units_used, failed, ended, model
    from lease_facts where day >= $since and day < $until
    union all
    select key, null, "count", 0, false, false, null
    from refusal_facts where day >= $since and day < $until
)
select coalesce(any_value(known.name), '') as name,
    told.key,
    count(distinct request_id) as requests,
    whole(sum(refused)) as refused,
    whole(sum(units_used)) as units_used,
    count(*) filter (failed) / nullif(count(*) filter (ended), 0) as failure_rate,
    mode(nullif(told.model, '')) as favourite_model
from told
left join ledger.keys as known on known.key_id = told.key
group by told.key
order by requests + sum(refused) desc, told.key
limit 50
