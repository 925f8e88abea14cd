"""One process: its life, its health, its logs.

lifecycle  the loop, signals, an orderly end
health     /livez, /readyz and /metrics on a port of its own
logs       structured, one event a line
logfile    the file that the logs of several processes go into
findings   what the doctor and the overview may find, each with its cure
"""
