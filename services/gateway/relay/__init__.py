"""A request's way: lease → select → send → record.

course/      that way as a rule, pure: what follows from what
relay        what all requests are carried out with
journey      the steps of one, carried out one after the other
upstream/    one request to one server: sent, judged, passed on
entry/       who goes in and who waits, before a lease is asked for
grants       leases that calls wait for, as the pool delivers them
servers      which one a lease is used at, and whether there is any before one is asked for
models       what all servers together can do, kept for a while
interpreter  what a request becomes for each dialect that its servers speak
asking       what the pool and the log are told of a request
coalescer    the questions of one loop turn, as one NATS request
credentials  the leased session's credential, opened in memory only
exchanges    open exchanges per server; their leases renewed, their time bounded
usages       ends of leases, kept and sent again until journalled
"""
