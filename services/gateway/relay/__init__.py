"""A request's way: lease → select → send → record.

course/      that way as a rule, pure: what follows from what
relay        its steps carried out, one after the other
upstream/    one request to one server: sent, judged, passed on
admission    of a key whose clients leave all the time, who is let in when
gate         how many are at once on their way to their server
queue        calls that wait in their order, before either
servers      which one a lease is used at, and whether there is any before one is asked for
models       what all servers together can do, kept for a while
interpreter  what a request becomes for each dialect that its servers speak
asking       what the pool and the log are told of a request
coalescer    the questions of one loop turn, as one NATS request
credentials  the leased session's credential, opened in memory only
exchanges    open exchanges per server; their leases renewed, their time bounded
usages       ends of leases, kept and sent again until journalled
"""
