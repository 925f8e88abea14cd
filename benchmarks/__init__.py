"""Benchmarks: each beside its reference, in the same run (`make bench`).

bench_pool       leases a second at one shard, their ends through the log too
bench_fold       what an ended lease costs the memory of the pool, and its boot
bench_accounts   what a grant costs where sessions share an account
bench_waiting    what a lease costs while others wait for it, and sessions the memory of the pool
bench_gateway    CPU per request with everything on
bench_selection  naming a server, by each strategy
bench_analytics  log to DuckDB, end to end
pairs            this tree beside another revision
pairs_worker     one stack of such a comparison
callers          callers of a pool, coalesced as a gateway does
load             a cheap generator of load
bare             an application that only answers: the gateway's reference
"""
