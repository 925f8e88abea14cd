"""Pure: envelopes → rows, questions → SQL.

fold        takes envelopes, hands out batches of columns
leases      the life of a lease: one row from grant to end, corrections applied
leaserows   what an event writes into the rows of its lease
refusals    what was asked and refused, by the pool and by gateways, each told once
states      last states: which changed, and a row for every event about them; of
sessions    sessions, fleet (servers), access (keys, policy)
standing    whether the stream still continues what the store has
moments     when and where in the log an event stands
rows        and tables: what is stored, one struct per table, one field per column
questions/  the words of statistics, and a question in those words → SQL

The fold remembers only what a later event may still change: open leases, leases nobody is sure
of, and the last state of sessions, servers and keys. All of it can be read back from the store.
"""
