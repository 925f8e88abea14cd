"""A first day at a terminal of 80 columns, recorded: docs/walk.md, by `python -m tests.walk`.

screen    what a terminal makes of what is printed on it
terminal  a command at a pseudo-terminal, and what it showed
page      the page: prose, and blocks with commands and what they printed
volatile  ids that are another each time, and what may differ between two days
day       every command of the page, run in an empty folder
"""
