"""Tests on real parts of services/gateway.

bench      the front door over real NATS and a real pool
doors      the operator's doors, with real services behind them or none
office     an admin's desk at those doors, with analytics that has read a story
calls      leases taken, used and projected, as gateways would
keylog     gateways that know keys
upstreams  servers that misbehave
proxies    a real proxy on the way to them
wires      connections of ours over real sockets, before an application that echoes
closing    a server that closes idle connections, seen from afar
"""
