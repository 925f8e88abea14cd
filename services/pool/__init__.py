"""The pool: sessions, leases and quota, and the one process per shard that decides about them.

app            composition root: the only place where adapters are made
settings       what an operator may turn (`[pool]`, `[services]`)
leader         what a process does while it leads: policy, doors, the writer's loop
keeping        what it does to keep its pool filled
checking       what it does to know that its accounts live
handlers       the doors on `rpc.pool.<shard>.*`: they only take in
commits/       the writer's loop: commands in, envelopes into the log, answers out
generated      sessions that were made up, and whose servers they are for
provisioners   where sessions come from: generated, a file, the API alone
snapshots/     ledgers kept beside the log: where processes begin
store          the fold of the log, and the ciphertexts in KV
bucket         the KV bucket of ciphertexts
keys/          the master keys: who has which, and a rotation's course
metrics        what is counted for `/metrics`
audit/         pure: the log against its own rules → violations
domain/        pure: state, decide, evolve
"""
