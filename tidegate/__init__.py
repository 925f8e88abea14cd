"""What a person types: `main` finds the verb, each verb is a file, grouped by whom it serves.

main            the verbs, and how one ends
configuration   the whole configuration: the tables of every service
setup/          whoever begins: asked what is to run, given a configuration
stack/          whoever runs it: up, migrate, the services as processes, the demo
admin/          whoever administers it: sessions, servers, keys, leases, config, figures, SQL
masterkey/      the master key of the credentials: shown by its id, rotated
ledger/         whoever doubts it: audit, replay, explain, tail
backup/         backup and restore
doctor/         everything looked at, each finding with its cure
reference/      docs/reference, written from the code
probing/        servers asked what they are, and who can reach them
console/        what verbs share: tables, progress, errors, the gateway's API, the log read
"""
