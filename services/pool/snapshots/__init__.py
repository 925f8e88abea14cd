"""Snapshots of the pool's ledger: made beside the running pool, booted from by its processes.

form       the ledger as bytes, and back
formats    the formats that it has had
bucket     the bucket of them: chunks, manifests, which are kept
booting    where a fold begins: the newest good one, or the log's beginning
making     the process that makes one
keeping    when it is started, and by whom
memory     what a process takes, and what there is
"""
