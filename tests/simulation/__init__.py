"""Rules of the product amid simulated clocks and neighbours: minutes of life in seconds.

balancer    every strategy over the same simulated calls, in figures
pool        the pool's and the gateways' own code under every misfortune, judged by an oracle
"""
