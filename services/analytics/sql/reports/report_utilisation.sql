-- report_utilisation: how much of the quota that there was has been used.
-- section 60 table: Use of the quota
-- There were as many units as accounts had on each day by the limits they have now: of an account
-- that several sessions use, once, from when the first was added to when the last one retired. Gone
-- are those that had no whole day, for they retired or were disabled: what they used stands apart.
-- Left is what limits leave; `tidegate status` has what can be granted now, less what is reserved.
-- $since, $until (date): quota days, the second one excluded.
with there as (
    select coalesce(nullif(account, ''), session_id) as account,
        any_value(limits) as limits,
        any_value(tier) as tier,
        max(least($until, coalesce(retired_day, $until))) - min(greatest($since, added_day)) as days
    from ledger.sessions
    where added_day is not null and status <> 'disabled'
    group by 1
    having max(least($until, coalesce(retired_day, $until))) > min(greatest($since, added_day))
),
had as (
    select service_type as service,
        whole(sum(days::hugeint * coalesce(
            try_cast(json_transform(session.limits, '"MAP(VARCHAR, VARCHAR)"')[service_type]
                as bigint),
            try_cast(of_tier.value as bigint),
            try_cast(config.value as bigint),
            0
        ))) as units
    from there as session
    cross join service_types
    left join ledger.config as of_tier
        on of_tier.key = 'tier.' || session.tier || '.' || service_type
    left join ledger.config as config on config.key = 'daily_limit.' || service_type
    group by service_type
),
used as (
    select service_type as service,
        whole(sum(units_used) filter (there.account is not null)) as units,
        whole(sum(units_used) filter (there.account is null)) as gone
    from usage_by_day
    left join ledger.sessions as session using (session_id)
    left join there on there.account = coalesce(nullif(session.account, ''), session_id)
    where quota_day >= $since and quota_day < $until group by service_type
)
select had.service,
    had.units as units_there_were,
    coalesce(used.units, 0) as units_used,
    greatest(had.units - coalesce(used.units, 0), 0) as units_left,
    coalesce(used.units, 0) / nullif(had.units, 0) as utilisation_rate,
    coalesce(used.gone, 0) as units_used_by_gone
from had left join used using (service)
order by utilisation_rate desc nulls last, had.service
