-- 006_true_figures: what each figure counts is one thing everywhere (docs/reference/statistics.md).
-- requests: leases that were a call's first; unserved: those given back for an error of ours;
-- calls: leases that were a call's end; a correction's reason stands beside the correction.
alter table ledger.leases add column correction_reason varchar default '';
alter table ledger.open_leases add column correction_reason varchar default '';
update ledger.leases set correction_reason = reason, reason = '' where correction = 'reconciled';
alter table ledger.refusals add column since timestamp;

create table ledger.calls_refused (
    sequence bigint, position integer, ts timestamp, day date, gateway_id varchar,
    key_id varchar, code varchar, status bigint, count bigint, since timestamp, until timestamp
);

-- How far a projection that began anew must come before its figures are whole.
alter table ledger.progress add column anew_to bigint default 0;

alter table ledger.usage_by_day add column requests bigint default 0;
alter table ledger.usage_by_day add column unserved bigint default 0;
alter table ledger.usage_by_day add column first_at timestamp;
alter table ledger.usage_by_day add column last_at timestamp;
update ledger.usage_by_day as rollup
set requests = counted.requests, first_at = counted.first_at, last_at = counted.last_at
from (
    select quota_day, session_id, service_type, count(*) filter (number = 1) as requests,
        min(granted_at) as first_at, max(coalesce(corrected_at, ended_at, granted_at)) as last_at
    from (from ledger.leases union all by name from ledger.open_leases)
    group by all
) as counted
where counted.quota_day = rollup.quota_day and counted.session_id = rollup.session_id
    and counted.service_type = rollup.service_type;

update ledger.session_activity as activity set last_used_at = (
    select max(granted_at) from ledger.leases as lease
    where lease.session_id = activity.session_id and outcome <> 'cancelled'
        and not (outcome = 'released' and verdict in ('unreachable', 'client_gone'))
);

alter table ledger.days add column calls hugeint default 0;
alter table ledger.days add column calls_gone bigint default 0;
alter table ledger.days add column calls_failed hugeint default 0;
update ledger.days as rollup
set calls = coalesce(ends.calls, 0) + rollup.refused,
    calls_gone = coalesce(ends.gone, 0),
    calls_failed = coalesce(ends.failed, 0) + rollup.refused
from (select day from ledger.days) as every_day
left join (
    select quota_day as day,
        count(*) filter (status > 0 or outcome = 'expired' or verdict = 'client_gone'
            or reason = 'client_gone') as calls,
        count(*) filter (status = 0 and (verdict = 'client_gone' or reason = 'client_gone'))
            as gone,
        count(*) filter (status >= 400 or cut or outcome = 'expired') as failed
    from ledger.leases group by all
) as ends using (day)
where every_day.day = rollup.day;
