-- usage_by_day: units and failure rate per quota day and service type.
-- failure_rate: the share of leases, cancelled ones apart, that were not settled.
-- $since, $until (date): quota days, the second one excluded.
select quota_day, service_type, sum(units_used)::bigint as units,
    sum(units_settled)::bigint as units_settled, sum(units_unknown)::bigint as units_unknown,
    sum(units_expired)::bigint as units_expired, sum(charged)::bigint as requests,
    1 - sum(settled) / nullif(sum(settled + released + unknown + expired), 0) as failure_rate
from usage_by_day
where quota_day >= $since and quota_day < $until
group by all
order by quota_day, service_type
