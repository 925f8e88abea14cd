"""A backend to try Tidegate against, and traffic for it.

server    `run`: one demo server; routes, live switches, what it has seen
api       the Jimeng-style answers, as values
dialects  the same as one of four backends: what each takes and refuses
roots     what each of the four says at `GET /`
tokens    its `/token/*`, and the accounts behind: live or not, with points
faults    what may go wrong, for whom, how often
breakage  an answer as a fault leaves it
ledger    what each credential was served, kept apart from Tidegate: the witness of the tests
pictures  drawn when they are fetched
door      HTTP/1.1 on a socket, with the freedom to break it
options   what an operator of it may turn
traffic   a bounded number of client calls at a gateway
"""
