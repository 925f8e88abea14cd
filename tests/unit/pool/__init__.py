"""Pure tests of services/pool.

builders  events, commands and folded pools
growing   pools that grow, and what became of their sessions
"""
