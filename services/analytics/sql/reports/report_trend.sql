-- report_trend: units day by day, up to the end of the period.
-- section 20 bars day units_settled units_in_doubt: The last four weeks
-- Units in doubt may have been used: unknown and expired ones that nobody has reconciled.
-- $since, $until (date): quota days, the second one excluded.
with days as (
    select unnest(range(least($since, $until - 28), $until, interval 1 day))::date
        as day
)
select days.day,
    whole(coalesce(sum(units_settled), 0)) as units_settled,
    whole(coalesce(sum(units_unknown + units_expired), 0)) as units_in_doubt,
    whole(coalesce(sum(settled), 0)) as settled,
    whole(coalesce(sum(released + unknown + expired + unserved), 0)) as failed,
    sum(released + unknown + expired + unserved)
        / nullif(sum(settled + released + unknown + expired + unserved), 0) as lease_failure_rate
from days
left join usage_by_day on usage_by_day.quota_day = days.day
group by days.day
order by days.day
