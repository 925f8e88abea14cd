"""Time and chance as the product finds them, for as long as a run lasts.

The product reads clocks by `time`, and draws by `secrets`, `random` and `os.urandom`. While a run
lasts all of them are the run's: seconds are the loop's, the wall clock is off by what the running
process's is, and every draw comes from the seed. So no code of the product is another one here.
"""

import gc
import os
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests.simulation.pool.loop import LIFE, SimulatedLoop

_STARTED_S = 1000.0
"""What monotonic clocks say at the beginning: some code takes 0 for never."""


@contextmanager
def simulated_nature(loop: SimulatedLoop, chance: Random, origin_s: float) -> Iterator[None]:
    """Let the product live in the loop's time; `origin_s` is the true time of its beginning."""

    def monotonic() -> float:
        return _STARTED_S + loop.time()

    def wall_time() -> float:
        life = LIFE.get(loop.world)
        return origin_s + loop.time() + life.clock_offset

    replaced = [
        (time, "monotonic", monotonic),
        (time, "perf_counter", monotonic),
        (time, "time", wall_time),
        (os, "urandom", chance.randbytes),
        (secrets, "token_bytes", lambda count=32: chance.randbytes(count)),
        (secrets, "token_hex", lambda count=32: chance.randbytes(count).hex()),
        (secrets, "token_urlsafe", lambda count=32: chance.randbytes(count).hex()),
        (secrets, "randbelow", chance.randrange),
        (random, "random", chance.random),
        (random, "uniform", chance.uniform),
        (random, "choice", chance.choice),
        (random, "shuffle", chance.shuffle),
        (random, "randrange", chance.randrange),
        (random, "expovariate", chance.expovariate),
    ]
    before = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    collects = gc.isenabled()
    # What is collected would run at a moment that no seed knows.
    gc.disable()
    try:
        for module, name, ours in replaced:
            setattr(module, name, ours)
        yield
    finally:
        for module, name, theirs in before:
            setattr(module, name, theirs)
        if collects:
            gc.enable()
