"""Everything looked at, each finding with its cure in one sentence.

doctor      `tidegate doctor`: in which order, and how it is told
home        configuration, home, keys, disk: what lies here
users       the NATS users and what they may not do
log         streams, room, clock, followers, known keys
credentials what is under seal, and which accounts have two sessions
sessions    the pool's sessions, asked for some at a time
rotation    who has which master key, and a rotation that stands half-way
buckets     what the pool keeps beside the log
exposure    servers that do too much for anybody, and who may reach them
fitting     sessions held against servers, doubtful ones, waits without hope
calls       whether a call would succeed now, by the gateway
services    pool, balancer, servers, analytics, gateway, the children of `up`

What may be found, and the cures, lie in `runtime/process/findings.py`: gateways say some of it too.
"""
