"""How things stand: said once, again and again, or live on a whole terminal.

status   `tidegate status`: ten lines
top      `tidegate top`: a page of 80 columns, drawn anew every second or two
lines    the lines of both: pure
page     the page: pure
drawing  a terminal drawn on until somebody leaves
"""
