-- today: one row: the moment of the question (UTC) and its quota day, which begins at the policy's
-- reset hour in its time zone.
-- The variable `now` is the process's clock; a plain DuckDB shell has none and takes its own.
-- A zone that DuckDB does not know is taken for UTC.
with told as (
    select coalesce(getvariable('now')::timestamp, now() at time zone 'UTC') as now,
        coalesce((select value from ledger.config where key = 'quota_timezone'), 'UTC') as zone,
        coalesce((select try_cast(value as integer) from ledger.config
            where key = 'quota_reset_hour' and try_cast(value as integer) between 0 and 23), 0)
            as reset_hour
),
moment as (
    select now, if(zone in (select name from pg_timezone_names()), zone, 'UTC') as zone, reset_hour
    from told
)
select now, zone, reset_hour,
    ((now at time zone 'UTC' at time zone zone) - to_hours(reset_hour))::date as day
from moment
