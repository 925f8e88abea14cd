"""Where clients and servers are: names of regions, the countries in them, how far apart they are.

regions     regions and groups of them, and the places that stand for them
countries   every country's region
distances   kilometres between any two of them
"""
