-- usage_by_day: units and failure rate per quota day and service type.
-- failure_rate: the share of leases, cancelled ones apart, that were not settled.
-- $since, $until (date): quota days, the second one excluded.
select quota_day, service_type, whole(sum(units_used)) as units,
    whole(sum(units_settled)) as units_settled, whole(sum(units_unknown)) as units_unknown,
    whole(sum(units_expired)) as units_expired, whole(sum(charged)) as requests,
    1 - sum(settled) / nullif(sum(settled + released + unknown + expired), 0) as failure_rate
from usage_by_day
where quota_day >= $since and quota_day < $until
group by all
order by quota_day, service_type
