"""The gateway: clients in, servers out; it leases, selects, streams, and records what it did.

app          composition root: the only place where adapters are made
settings     what an operator may turn (`[gateway]`, `[services]`)
wire         the HTTP server's side of a connection: bounded heads, clients that go away
door         which room a request belongs to; who may come in; its one log line
relay        lease → select → stream → record, and what is tried again
exchange     one attempt at one server: sent, judged, passed on
passthrough  calls that need no lease
client       what has been said to the client
upload       the client's body on its way up
request      one request's story, from its head to its usages
origin       whose request it is behind trusted proxies, and how much of that is stored
headers      what is dropped, set and passed on, up and down
coalescer    the questions of one loop turn, as one NATS request
usages       ends of leases, kept and sent again until journalled
exchanges    open exchanges per server; their leases renewed, their time bounded
credentials  the leased session's credential, opened in memory only
transport/   an httpx transport that knows whether anything was sent
keys         client keys, pure: the fold of `evt.keys`      limits   rate and concurrency, pure
store        the log of keys
readiness    why it cannot serve yet
errors       every error a client can get
domain/      pure: routing, what an answer means, what follows from it
routes/      the operator's doors (Litestar)
metrics      what is counted for `/metrics`
"""
