"""Which session to lease, in time that does not grow with the pool.

choice     the index, and the order of preference
shelves    groups of sessions of one kind, ordered by the units they have left
places     which shelves each account stands on
zones      the quota days of accounts
avoidance  the sessions that a call does not want
supply     how much of each type there is in a day
deadlines  when leases end by themselves: heaps that are tidied as they are read
"""
