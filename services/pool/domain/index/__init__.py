"""Which session to lease, in time that does not grow with the pool.

choice     the index, and the order of preference
shelves    sessions of one kind, ordered by the units they have left
avoidance  the sessions that a call does not want
supply     how much of each type there is in a day
deadlines  when leases end by themselves: heaps that are tidied as they are read
"""
