"""The wire: all that the services know of each other.

base        ids, instants, `Event`, `Command`, `Reply`
pool        sessions, leases, quota: events, commands and replies of the pool
balancer    servers, health, selection: events, commands and replies of the balancer
gateway     client keys, and what a gateway answers
analytics   questions to the projections and their answers
events      the union of every event, and what a reader does with a tag it does not know
envelope    one commit of the log: numbers, hash chain, codec
subjects    who writes, asks and answers what
permissions what each NATS user may do, derived from it
schemas     JSON Schema of all of it, generated and checked in
"""
