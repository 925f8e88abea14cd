"""A home taken while it runs, and put back only when it is proved to be what was taken.

backup    `tidegate backup`                          restore     `tidegate restore`
bundle    the files of a backup and their manifest   restoring   beside the home, compared, moved in
logproof  what a log is, so that a copy can be held against it
duckdbfile  the projections as a part of it
"""
