"""A home taken while it runs, and put back only when it is proved to be what was taken.

backup        `tidegate backup`
taking        the log first, each part while everything runs
restore       `tidegate restore`
restoring     in which order: beside, held against what was taken, moved in
restoresteps  what is done in that order
bundle        the files of a backup and their manifest
logproof      what a log is, so that a copy can be held against it
duckdbfile    the projections as a part of it
"""
