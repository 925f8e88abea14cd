"""Strategies side by side: the balancer's own rules, over simulated servers and a simulated clock.

server    one simulated server: cores that its calls share, network before it, fits of failure
fleet     servers as the balancer has them, calls on record, and the world run by one strategy
mix       eight servers, no two kinds alike, and one recorded mix of calls
ramp      Prequal's: a hundred servers, neighbours that burst, load from 0.75 to 1.74
figures   what came of it: percentiles, imbalance, wasted units
plot      the same as a picture

`python -m tests.simulation.balancer` prints the tables; with `--write` the picture of
docs/explanation/balancing.md is drawn anew. Chance comes from seeds: the same every time.

What is real: `Balancer`, `select_server`, `observe_envelope` and the strategies themselves, fed
with the envelopes that a pool would write. What is not: health. Nobody probes and nobody is
ejected, so that what is seen is a strategy's own doing.
"""
