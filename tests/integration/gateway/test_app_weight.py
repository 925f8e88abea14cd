"""What a gateway carries in memory, and what it must not (ADR 8)."""

import subprocess
import sys

_PROGRAM = """
import sys
from unittest.mock import Mock
import services.gateway.app
from services.gateway.routes import operator_app
operator_app(Mock())
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_gateway_loads_neither_faststream_nor_pydantic() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )

    loaded = done.stdout.split()

    assert "litestar" in loaded
    assert not {"faststream", "pydantic"} & set(loaded)
