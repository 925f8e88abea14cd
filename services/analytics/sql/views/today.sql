-- today: one row: the moment of the question (UTC) and its quota day in the policy's time zone.
-- The variable `now` is the process's clock; a plain DuckDB shell has none and takes its own.
-- A zone that DuckDB does not know is taken for UTC.
with told as (
    select coalesce(getvariable('now')::timestamp, now() at time zone 'UTC') as now,
        coalesce((select value from ledger.config where key = 'quota_timezone'), 'UTC') as zone
),
moment as (
    select now, if(zone in (select name from pg_timezone_names()), zone, 'UTC') as zone from told
)
select now, zone, (now at time zone 'UTC' at time zone zone)::date as day from moment
