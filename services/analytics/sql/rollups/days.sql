-- days: a quota day over all sessions; refusals count on the day of the log's time.
-- ended: leases that ended otherwise than cancelled, or unserved; failed: those of them not settled.
-- calls: clients' calls that came to their end; calls_gone: whose client had left; calls_failed:
-- that were answered an error, or not at all.
insert into ledger.days by name
select day, sum(ended) as ended, sum(failed) as failed, sum(answered) as answered,
    sum(answered_ms) as answered_ms, sum(refused) as refused, max(open_max) as open_max,
    sum(calls) as calls, sum(calls_gone) as calls_gone, sum(calls_failed) as calls_failed
from (
    select quota_day as day, settled + released + unknown + expired + unserved as ended,
        released + unknown + expired + unserved as failed, answered, answered_ms, 0 as refused,
        0 as open_max, calls, calls_gone, calls_failed
    from changed
    union all
    select day::date, 0, 0, 0, 0, "count", 0, "count", 0, "count" from batch_refusals
    union all
    select day::date, 0, 0, 0, 0, 0, 0, "count", 0, "count" from batch_calls_refused
    union all
    select day::date, 0, 0, 0, 0, 0, open_max, 0, 0, 0 from batch_peaks
)
group by day
on conflict (day) do update set
    ended = ended + excluded.ended,
    failed = failed + excluded.failed,
    answered = answered + excluded.answered,
    answered_ms = answered_ms + excluded.answered_ms,
    refused = refused + excluded.refused,
    open_max = greatest(open_max, excluded.open_max),
    calls = calls + excluded.calls,
    calls_gone = calls_gone + excluded.calls_gone,
    calls_failed = calls_failed + excluded.calls_failed
