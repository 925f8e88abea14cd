"""What admins alone ask of servers: after the accounts behind sessions, and single paid calls.

passthrough  `/token/*`: passed on to any server, or asked for a session of the pool
checking     the pool's checks of accounts: one gateway of all answers
inquiry      whether a session's account lives, and what points it has or may collect
rehearsal    what a call would meet, up to where it would be sent
trial        one paid call at a server that is named, with a lease, as clients' calls go
endings      the last four characters of credentials
caller       one question to one server that can be asked it; another while nothing was sent
"""
