"""The four services. Each has the same rooms and meets the others only on the wire.

gateway    clients in, servers out       pool       sessions, leases and quota
balancer   which server for a lease      analytics  history and statistics

Their rooms:

app        composition root: the only place where adapters are made
settings   what an operator may turn
domain     pure rules: state, decide, evolve
handlers   NATS doors          routes   HTTP doors
store      the log, KV or database
audit      pure: events → violations
"""
