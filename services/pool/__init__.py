"""The pool: sessions, leases and quota, and the one process per shard that decides about them.

app            composition root: the only place where adapters are made
settings       what an operator may turn (`[pool]`, `[services]`)
leader         what a process does while it leads: policy, doors, sessions
handlers       the doors on `rpc.pool.<shard>.*`: they only take in
committer      the writer's loop: decide, append one envelope, answer
rounds         the queue, and what of it fits into one envelope
batches        commands that wait, and how each sort is decided and answered
generated      sessions that were made up, and whose servers they are for
provisioners   where sessions come from: generated, a file, the API alone
snapshots/     ledgers kept beside the log: where processes begin
store          the fold of the log, and the ciphertexts in KV
metrics        what is counted for `/metrics`
audit/         pure: the log against its own rules → violations
domain/        pure: state, decide, evolve
"""
