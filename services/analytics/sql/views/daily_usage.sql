-- daily_usage: per quota day: sessions that used a unit, requests (calls that got a lease, each
-- once, at its first), units by service type.
select quota_day as date,
    count(distinct session_id) filter (units_used > 0) as active_sessions,
    whole(sum(requests)) as requests,
    whole(coalesce(sum(units_used) filter (service_type = 'image'), 0)) as images,
    whole(coalesce(sum(units_used) filter (service_type = 'video'), 0)) as videos,
    whole(coalesce(sum(units_used) filter (service_type = 'avatar'), 0)) as avatars,
    whole(sum(units_used)) as units
from usage_by_day
group by quota_day
