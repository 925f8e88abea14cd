"""The writer's loop: commands in, one envelope after the other into the log, answers out.

committer   decide, append one envelope, answer
rounds      the queue, and what of it fits into one envelope
batches     commands that wait, and how each sort is decided and answered
questions   what operators ask
remarks     which events have a line in the process's own log
deliveries  grants for those who waited, told to their gateways
"""
