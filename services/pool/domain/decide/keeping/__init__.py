"""How the pool keeps itself filled and healthy.

growth     how many sessions are lacking, and what holds growth
shrinking  which sessions retire unused, and what is kept of those that did
checks     accounts asked after: who is due, and what comes of it
"""
