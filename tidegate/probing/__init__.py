"""What a server says of itself, asked from where a verb runs, and who can reach it there.

asking     `GET /` and `/v1/models`, within bounds: which dialect it speaks
freecalls  the same, a probe and an account: all that costs nothing, judged
probes     the same beside what is configured, told in a table
servertexts  servers, and who chooses among them, as people read of them
listening  the addresses on which this machine listens to a port
"""
