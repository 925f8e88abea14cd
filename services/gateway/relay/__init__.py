"""A request's way: lease → select → send → record.

course/      that way as a rule, pure: what follows from what
relay        that way, and what is tried again
servers      which one a lease is used at, and whether there is any before one is asked for
exchange     one attempt at one server: sent, judged, passed on
passing      a success on its way to the client, watched for the credential
models       what all servers together can do, kept for a while
interpreter  what a request becomes for each dialect that its servers speak
telling      an answer told as a chat completion, with a beat while the backend is silent
result       how one attempt went
coalescer    the questions of one loop turn, as one NATS request
credentials  the leased session's credential, opened in memory only
exchanges    open exchanges per server; their leases renewed, their time bounded
usages       ends of leases, kept and sent again until journalled
"""
