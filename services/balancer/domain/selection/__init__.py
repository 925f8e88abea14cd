"""Which server for a lease, and why.

choosing     the question answered, and what is remembered of the answer
eligibility  who may be chosen now, and when somebody may be if nobody may
candidates   whom it looked at, and why not the others
"""

from services.balancer.domain.selection.choosing import NOBODY_PICKED, select_server
from services.balancer.domain.selection.eligibility import (
    eligible_servers,
    options_for,
    servers_of_level,
)

__all__ = [
    "NOBODY_PICKED",
    "eligible_servers",
    "options_for",
    "select_server",
    "servers_of_level",
]
