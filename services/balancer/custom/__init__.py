"""Strategies of an operator's own: a function in a file, run in a process of its own.

words      what the two processes say to each other
questions  what is asked for one batch of selections
host       the balancer's side: asks, waits for so long and no longer, kills and begins anew
child      the other process: loads the file and calls the function
"""
