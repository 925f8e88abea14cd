"""The stack as containers, on an engine: `make` names these tests, nothing else collects them.

containers  the whole stack, under a project name of its own
trickle     calls one after another while something breaks, and what must hold afterwards
actor       the ground of chaos that is a Compose project; `__main__`: `make chaos-compose`
cluster/    the log on three NATS servers
"""
