"""The accounts behind the pool's sessions, asked after without a lease, for admins alone.

passthrough  `/token/*`: passed on to any server, or asked for a session of the pool
inquiry      whether a session's account lives, and what points it has or may collect
caller       one question to one server that can be asked it; another while nothing was sent
"""
