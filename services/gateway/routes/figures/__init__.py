"""Figures, asked of the projections.

original    the endpoints of the original, with true numbers (shapes: how they look)
statistics  any measure by any dimensions, as rows or as a file
reports     daily and weekly ones
lists       attempts by server and minute, units against limits by day
sql         one read-only statement
downloads   files fetched part by part from analytics
"""
