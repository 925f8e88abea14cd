-- daily_stats: the original's table, per quota day. total_requests: calls that got a lease, each
-- once, at its first; refused_requests: refusals of a lease. error_rate: the share of clients'
-- calls answered an error or not at all, those whose client left apart; lease_failure_rate: of
-- leases that ended released, unknown, expired or unserved, among those that ended so or settled.
-- avg_response_time (ms) is of those a gateway recorded; peak_concurrent of leases open at once.
with dates as (
    select day from ledger.days union select quota_day from ledger.usage_by_day
    union select added_day from ledger.sessions
)
select dates.day as date,
    (select count(*) from ledger.sessions
        where added_day <= dates.day and coalesce(retired_day > dates.day, true))
        as total_sessions,
    coalesce(active_sessions, 0) as active_sessions,
    (select count(*) from ledger.sessions where added_day = dates.day) as new_sessions,
    coalesce(requests, 0) as total_requests,
    coalesce(images, 0) as total_images,
    coalesce(videos, 0) as total_videos,
    coalesce(avatars, 0) as total_avatars,
    coalesce(calls_failed / nullif(calls - calls_gone, 0), 0)::double as error_rate,
    answered_ms / nullif(answered, 0) as avg_response_time,
    coalesce(open_max, 0) as peak_concurrent,
    whole(coalesce(refused, 0)) as refused_requests,
    coalesce(failed / nullif(ended, 0), 0)::double as lease_failure_rate
from dates
left join ledger.days as days using (day)
left join daily_usage on daily_usage.date = dates.day
