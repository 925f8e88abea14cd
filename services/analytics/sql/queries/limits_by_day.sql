-- limits_by_day: units used against those that there were, by quota day and service type; days without
-- any use too.
-- There were as many units as the accounts of a day had by the limits they have now; what was used
-- is of all, those among them that retired on that day.
-- $since, $until (text = ): quota days, both included; empty until is today, empty since 30 days before it.
with bounds as (
    select coalesce(try_cast($until as date), day) as last from today
),
days as (
    select unnest(generate_series(
        coalesce(try_cast($since as date), last - 30), last, interval 1 day))::date as day
    from bounds
),
accounts as (
    select any_value(limits) as limits, any_value(tier) as tier, count(*) as sessions,
        min(added_day) as added_day,
        if(bool_or(retired_day is null), null, max(retired_day)) as retired_day
    from ledger.sessions
    where added_day is not null and status <> 'disabled'
    group by coalesce(nullif(account, ''), session_id)
),
there as (
    select added_day, retired_day, service_type, sum(sessions) as sessions,
        sum(coalesce(
            try_cast(json_transform(accounts.limits, '"MAP(VARCHAR, VARCHAR)"')[service_type]
                as bigint),
            try_cast(of_tier.value as bigint),
            try_cast(config.value as bigint),
            0
        )) as units
    from accounts
    cross join service_types
    left join ledger.config as of_tier
        on of_tier.key = 'tier.' || accounts.tier || '.' || service_type
    left join ledger.config as config on config.key = 'daily_limit.' || service_type
    group by added_day, retired_day, service_type
),
had as (
    select day, service_type, sum(sessions) as sessions, whole(sum(units)) as units
    from days join there on added_day <= day and (retired_day is null or retired_day > day)
    group by all
),
used as (
    select quota_day as day, service_type, whole(sum(units_used)) as units
    from usage_by_day where quota_day in (select day from days) group by all
)
select days.day, service_types.service_type, coalesce(used.units, 0) as used,
    coalesce(had.units, 0) as "limit", coalesce(had.sessions, 0)::bigint as sessions,
    coalesce(used.units, 0) / nullif(had.units, 0) as share
from days
cross join service_types
left join had using (day, service_type)
left join used using (day, service_type)
order by days.day, service_types.service_type
