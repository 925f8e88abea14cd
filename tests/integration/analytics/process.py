"""Analytics as a process of its own, for tests that kill it: `python -m … <home> <NATS URL>`."""

import sys
from functools import partial

from runtime.environment import read_environment
from runtime.process import lifecycle
from services.analytics import app
from services.analytics.settings import Settings


def main(home: str, nats_url: str, health_port: str) -> None:
    variables = {
        "TIDEGATE_HOME": home,
        "TIDEGATE_NATS_URL": nats_url.replace("://", "://analytics:none@"),
        "TIDEGATE_HEALTH_PORT": health_port,
    }
    lifecycle.run(partial(app.run, environment=read_environment(variables), load=Settings))


if __name__ == "__main__":
    main(*sys.argv[1:])
