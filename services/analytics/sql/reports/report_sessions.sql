-- report_sessions: the 20 sessions that used the most units.
-- section 110 table: Sessions most used
-- $since, $until (date): quota days, the second one excluded.
select usage_by_day.session_id as session, any_value(label) as label,
    any_value(region) as region, any_value(account) as account, any_value(tier) as tier,
    whole(sum(units_used)) as units_used,
    whole(sum(settled)) as settled,
    whole(sum(released + unknown + expired)) as failed,
    any_value(status) as status, any_value(health_score) as health_score
from usage_by_day
left join session_states using (session_id)
where quota_day >= $since and quota_day < $until
group by usage_by_day.session_id
order by units_used desc, session
limit 20
