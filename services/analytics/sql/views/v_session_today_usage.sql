-- v_session_today_usage: the original's view: what each session used on today's quota day.
select session.session_id,
    session.server_url,
    session.health_score,
    session.last_used,
    whole(coalesce(sum(units_used) filter (service_type = 'image'), 0)) as image_count,
    whole(coalesce(sum(units_used) filter (service_type = 'video'), 0)) as video_count,
    whole(coalesce(sum(units_used) filter (service_type = 'avatar'), 0)) as avatar_count,
    whole(coalesce(sum(units_used), 0)) as total_usage
from sessions as session
left join usage_by_day as today_usage
    on today_usage.session_id = session.session_id
    and today_usage.quota_day = (select day from today)
where session.state <> 'retired'
group by all
