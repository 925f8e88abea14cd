"""The wire: golden lines that must be read for ever, schemas, envelopes, the table of subjects.

golden/ holds a file of lines per kind of message; files only grow at their end.
ground  nats-server and the simulation, for the laws of bus, doors and log that both must pass
"""
