-- usage_by_day: units, requests and failure rate per quota day and service type.
-- Requests are calls that got a lease, each once, at its first. failure_rate, the same as
-- lease_failure_rate: the share of leases, cancelled ones apart, that were not settled; those that
-- were never sent for an error of ours (no_backend) are among them.
-- $since, $until (date): quota days, the second one excluded.
select quota_day, service_type, whole(sum(units_used)) as units,
    whole(sum(units_settled)) as units_settled, whole(sum(units_unknown)) as units_unknown,
    whole(sum(units_expired)) as units_expired, whole(sum(requests)) as requests,
    1 - sum(settled) / nullif(sum(settled + released + unknown + expired + unserved), 0)
        as failure_rate,
    failure_rate as lease_failure_rate
from usage_by_day
where quota_day >= $since and quota_day < $until
group by all
order by quota_day, service_type
