"""What there is, and its changes.

keys     client keys              sessions  the pool's sessions
leases   open and unknown ones    servers   the servers behind the gateway
configuration   held because it would take servers away, and released
"""
