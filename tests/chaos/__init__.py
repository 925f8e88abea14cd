"""Chaos: thousands of calls while everything is killed, paused and restarted; then a verdict.

- `plan`: which fault when, a value drawn from a seed
- `traffic`: calls at gateways, each with what its client saw
- `evidence`: what is known at the end: calls, the log, the servers' own ledgers, the audit
- `failing`: what a server that failed every call for a while cost, and what it may
- `verdict`: evidence → findings; `report`: what clients felt of each kind of fault
- `campaign`: traffic and plan together, against whatever can kill, pause and start (`Actor`)
- `ground`: the system as a run knows it, and how its evidence is gathered
- `run`: a campaign on a `Ground`, from its beginning to its verdict
- `processes`: the ground that is a stack of processes on this machine; `__main__`: `make chaos`

All but the last line knows neither processes nor containers: those are in `tests.compose`.
"""
