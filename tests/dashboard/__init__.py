"""The dashboard in a real Chromium in front of the real stack (`make dashboard-test`).

site      a browser in front of a stack: who is signed in, what a page shows, what is wrong with it
pictures  the pictures of the docs anew (`make dashboard-pictures`)
"""
