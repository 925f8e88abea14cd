"""What verbs share: how they ask, what they show, why they end early.

api         the gateway's operator endpoints
direct      a question asked past any proxy
logreading  the event log read to its end
files       what is written into: a new file, or standard output
tables      rows laid out in the columns of a terminal
listing     the rows of a list, their order and their columns
moments     instants and durations as people say them
output      tables, JSON, progress, notes
errors      why a verb ends early
shown       a configuration as its file has it, without its secrets
inforce     every setting in force here, and where it came from
recording   what a verb did with the log, handed in where all see it
"""
