"""What `up` shows on a terminal: where everything is, then a line for what is worth attention.

All else is in the log file of the home, which each process appends to by itself: a terminal that
is stopped, or slow, holds up nobody.

screen     the thread that reads the log and prints
logfile    the log read as it grows, and moved away when it is full
words      events as a person reads them
requests   requests, a line each, or counted where they are many
welcome    the block that says where everything is
models     which model its line to paste asks for
remarks    what is to be said beside it
readers    whether anybody still reads it
"""
