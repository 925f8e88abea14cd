-- report_services: leases, units and time by service type.
-- section 50 bars service settled released unknown: By service type
-- Unknown ones include those of which no word came; reconciled ones stay among them. Unserved ones
-- were never sent, for want of a server. Requests are calls that got a lease, each once.
-- $since, $until (date): quota days, the second one excluded.
select service_type as service,
    count(*) filter (number = 1) as requests,
    count(*) filter (outcome = 'settled') as settled,
    count(*) filter (outcome = 'released') as released,
    count(*) filter (outcome in ('unknown', 'expired')) as unknown,
    count(*) filter (unserved) as unserved,
    whole(coalesce(sum(units_used), 0)) as units_used,
    count(*) filter (failed) / nullif(count(*) filter (ended), 0) as lease_failure_rate,
    quantile_cont(total_ms, 0.5) filter (answered) as latency_p50_ms,
    quantile_cont(total_ms, 0.95) filter (answered) as latency_p95_ms
from service_types
left join lease_facts on service = service_type and day >= $since and day < $until
group by service_type
order by units_used desc, service
