"""The dashboard in a real Chromium in front of the real stack (`make dashboard-test`).

site      a browser in front of a stack: who is signed in, what a page shows, what is wrong with it
fronts    a TLS front before a gateway, below a path
pictures  the pictures of the docs anew (`make dashboard-pictures`)
"""
