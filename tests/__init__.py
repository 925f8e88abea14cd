"""Tests mirror the rooms: tests/<kind>/<room>/test_<module>… is about <module> in <room>.

unit/         pure, in seconds
contract/     the wire: golden lines, the table of subjects
integration/  real nats-server, DuckDB, sockets
e2e/          the stack as processes
dashboard/    the operators' page in a real browser
patience/     the same, where it is about minutes
compose/      the stack as containers
upgrade/      homes of earlier versions
simulation/   rules of the product over simulated clocks and neighbours
house/        rules that no linter knows, and the judges judged
walk/        a first day at a terminal, recorded
chaos/, soak/ everything killed amid calls; a quarter of an hour of load
failing/      one server that fails, in every way there is: what it costs

Of no room: `waiting` (until something holds), `moments` (NOON), `tinyserver` (it answers),
`bounded` (a log that may not grow), `anyevent` (whatever a log may hold), `workers` (processes
of tests, of which one may die).
"""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""Of the repository."""
