"""The gateway: clients in, servers out; it leases, selects, streams, and records what it did.

app          composition root: the only place where adapters are made
settings     what an operator may turn (`[gateway]`, `[services]`)
wire         the HTTP server's side: connections, what they may cost, and how they end
door         which room a request belongs to; who may come in
clients/     who asks: keys, limits, heads and bodies, what was answered
accounts/    the accounts behind the sessions, asked after without a lease
relay/       a request's way: lease → select → send → record
transport/   an httpx transport that knows whether anything was sent
routes/      the operator's doors (Litestar)
dashboard/   the operators' page: its files, and how they are answered
domain/      pure: routing, what an answer means, what follows from it, every error
dialects/    pure: what a server understands, where that is not what clients say
signing/     what signs a browser in: tokens, cookies
store        the log of keys
fleetlog     the log of the balancer, for what its servers understand
readiness    why it cannot serve yet
metrics      what is counted for `/metrics`
"""
