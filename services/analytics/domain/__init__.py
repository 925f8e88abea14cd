"""Pure: envelopes → rows.

fold       takes envelopes, hands out batches of columns
leases     the life of a lease: one row from grant to end, corrections applied
sessions   fleet (servers), access (keys, policy), on states: last states and their events
standing   whether the stream still continues what the store has
moments    when and where in the log an event stands
rows       and tables: what is stored, one struct per table, one field per column

The fold remembers only what a later event may still change: open leases, leases nobody is sure
of, and the last state of sessions, servers and keys. All of it can be read back from the store.
"""
