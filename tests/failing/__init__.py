"""One server fails, under load: what it costs, until when, and how it comes back.

- `ways`: how a server can fail, done and undone
- `log`: the log as it grows, heard by an auditor
- `figures`: one cell: the log's events → units lost, calls and seconds, and what breaks the bound
- `trial`: a stack that serves many cells, and one cell on it
- `table`: the figures for a terminal and as a page
- `__main__`: `make failing`, every way under every strategy

A *cell* is a way to fail, a strategy, and whether the server is alone or among four. The server of
each cell has a name of its own in the log, whatever process plays it, so that nothing of one cell
is left to the next.
"""
