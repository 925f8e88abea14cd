"""Strangers' SQL, in a process of its own over a copy of the file (ADR 28).

box       when to copy, which child answers, one question at a time
process   the child as its parent sees it: started, asked, killed at the deadline
words     what the two say to each other over their pipes
child     what runs in the child: bounded in memory, dying with its parent

Nothing is imported here: the child would pay for it, and reach it.
"""
