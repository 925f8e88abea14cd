"""What it comes to: the figures of days, asked of the gateway.

stats     of the last days
report    of a day or a week, as prose
documents a report laid out on a terminal
export    into a file
sql       whatever is asked
"""
