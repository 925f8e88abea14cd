"""The clients' side: who asks, what for, how often, what came of it.

keys         client keys, pure: the fold of `evt.keys`
keydecisions which of them may be issued, changed or revoked, pure
limits       how often, and how many at once: the bounds of a key, pure
request      one request's story, from its head to its usages
browsers     what a page in a browser may do: hosts, origins, the headers against it
origin       whose request it is behind trusted proxies, and how much of that is stored
headers      what is dropped, set and passed on, up and down
uploads      the client's body on its way up
spool        long bodies that are read whole, in files without a name
reading      the whole body as what it asks, where a dialect has to know it
deciding     what a body says where it decides, read so that nobody reads it otherwise
answers      what has been said to the client, and how a broken answer ends
"""
