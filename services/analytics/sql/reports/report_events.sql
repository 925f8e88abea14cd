-- report_events: what happened to sessions, servers, keys, policy and leaderships.
-- section 120 table: What else happened
-- $since, $until (date): quota days, the second one excluded.
select event, count(*) as times, count(distinct nullif(entity_id, '')) as of_so_many,
    min(ts) as first_at, max(ts) as last_at, mode(nullif(reason, '')) as usual_reason
from entity_events
cross join (select zone, reset_hour from today) as today
where event <> 'pool_checkpointed'
    and ((ts at time zone 'UTC' at time zone today.zone) - to_hours(reset_hour))::date >= $since
    and ((ts at time zone 'UTC' at time zone today.zone) - to_hours(reset_hour))::date < $until
group by event
order by times desc, event
