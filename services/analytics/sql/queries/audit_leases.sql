-- audit_leases: leases and units by outcome, counted from the lease rows, not from rollups.
select outcome, correction, count(*) as leases, whole(sum(units_used)) as used,
    whole(sum(units_settled)) as settled, whole(sum(units_reserved)) as reserved
from leases
group by outcome, correction
order by outcome, correction
