-- days: a quota day over all sessions; refusals count on the day of the log's time.
-- ended: leases that ended otherwise than cancelled; failed: those of them not settled.
insert into ledger.days by name
select day, sum(ended) as ended, sum(failed) as failed, sum(answered) as answered,
    sum(answered_ms) as answered_ms, sum(refused) as refused, max(open_max) as open_max
from (
    select quota_day as day, settled + released + unknown + expired as ended,
        released + unknown + expired as failed, answered, answered_ms, 0 as refused,
        0 as open_max
    from changed
    union all
    select day::date, 0, 0, 0, 0, "count", 0 from batch_refusals
    union all
    select day::date, 0, 0, 0, 0, 0, open_max from batch_peaks
)
group by day
on conflict (day) do update set
    ended = ended + excluded.ended,
    failed = failed + excluded.failed,
    answered = answered + excluded.answered,
    answered_ms = answered_ms + excluded.answered_ms,
    refused = refused + excluded.refused,
    open_max = greatest(open_max, excluded.open_max)
