-- usage: leases that ended otherwise than cancelled; what was done and what it cost.
select * from leases where outcome not in ('open', 'cancelled')
