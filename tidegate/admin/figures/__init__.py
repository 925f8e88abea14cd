"""What it comes to: the figures of days, asked of the gateway.

overview  how everything is now
stats     of the last days
report    of a day or a week, as prose
export    into a file
sql       whatever is asked
"""
