"""The clients' side: who asks, what for, how often, what came of it.

keys      client keys, pure: the fold of `evt.keys`
limits    how often, and how many at once: the bounds of a key, pure
request   one request's story, from its head to its usages
origin    whose request it is behind trusted proxies, and how much of that is stored
leaks     a key where none belongs: in an address
headers   what is dropped, set and passed on, up and down
uploads   the client's body on its way up
reading   the whole body as what it asks, where a dialect has to know it
answers   what has been said to the client, and how a broken answer ends
"""
