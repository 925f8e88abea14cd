"""Soak: mixed load with faults for many minutes; what grows that should not?

- `samples`: memory, descriptors, sockets of every process, latency of calls, every few seconds
- `trend`: how fast something grows, robustly, and which growth is too much
- `plot`: the samples as an SVG
- `__main__`: `make soak`

Traffic, plan and actor are those of `tests.chaos`.
"""
