-- report_errors: what went wrong, and how often.
-- section 90 bars error_class leases_failed calls_refused: Errors by class
-- A lease's class is what its last attempt showed, with the code the client was given; of one that
-- was never sent the code alone. Calls are those refused a lease, and those a gateway refused itself.
-- $since, $until (date): quota days, the second one excluded.
with told as (
    select case
            when verdict <> '' and error not in ('', verdict) then verdict || ' · ' || error
            else coalesce(nullif(verdict, ''), nullif(error, ''), outcome)
        end as error_class,
        1 as leases_failed, 0 as calls_refused, units_unknown + units_expired as units_in_doubt
    from lease_facts where failed and day >= $since and day < $until
    union all
    select 'refused · ' || error, 0, "count", 0
    from refusal_facts where day >= $since and day < $until
    union all
    select 'refused by a gateway · ' || code, 0, "count", 0
    from ledger.calls_refused where day >= $since and day < $until
)
select error_class,
    whole(sum(leases_failed)) as leases_failed,
    whole(sum(calls_refused)) as calls_refused,
    whole(sum(units_in_doubt)) as units_in_doubt
from told
group by error_class
order by sum(leases_failed + calls_refused) desc, error_class
limit 20
