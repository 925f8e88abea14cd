-- audit_leases: leases and units by outcome, counted from the lease rows, not from rollups.
select outcome, correction, count(*) as leases, sum(units_used)::bigint as used,
    sum(units_settled)::bigint as settled, sum(units_reserved)::bigint as reserved
from leases
group by outcome, correction
order by outcome, correction
