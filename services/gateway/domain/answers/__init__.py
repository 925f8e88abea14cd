"""What a server's answer means, and what follows from it.

envelopes   a body, read: its object, its code, its message
expanding   its encoding taken off, piece by piece
concealing  the credential kept from the client in it
judgement   what it means (its envelope first, then the status)
failures    what a failure's codes and messages say
outcomes    what each verdict does to the units, and what the client is told
accounts    what a backend says of an account: whether it lives, its points
models      the models of all servers as one list
"""
