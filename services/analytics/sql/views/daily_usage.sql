-- daily_usage: per quota day: sessions that used a unit, requests (calls that got a lease, each
-- once, at its first), units by service type.
select quota_day as date,
    count(distinct session_id) filter (units_used > 0) as active_sessions,
    sum(requests)::bigint as requests,
    coalesce(sum(units_used) filter (service_type = 'image'), 0)::bigint as images,
    coalesce(sum(units_used) filter (service_type = 'video'), 0)::bigint as videos,
    coalesce(sum(units_used) filter (service_type = 'avatar'), 0)::bigint as avatars,
    sum(units_used)::bigint as units
from usage_by_day
group by quota_day
