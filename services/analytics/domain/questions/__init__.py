"""Questions → SQL.

measures    the words of statistics: what can be measured, of which rows, by what
statistics  a question in those words → SQL
"""
