"""Before a lease is asked for: who goes in, and who waits for its turn.

admission  of a key whose clients leave all the time, who is let in when
gate       how many are at once on their way to their server
queue      calls that wait in their order, before either
"""
