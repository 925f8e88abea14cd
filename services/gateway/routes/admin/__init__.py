"""What there is, and its changes.

keys     client keys              sessions/  the pool's sessions
leases   open and unknown ones    servers   the servers behind the gateway
queue    who waits for one
accounts  the accounts behind the sessions: whether they live, their points
strategies  who chooses among the servers
doctor   whether a call would succeed now
configuration   in force and where from; held, and released
signing  signing in and out, links that sign in once
secrets  the master keys by their ids, and their rotation
"""
