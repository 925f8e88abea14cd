"""The operator's doors: everything over HTTP that is no generation.

application  all of them as one application
doors        what they stand on, and how they ask the other services
guard        who may come in
logtail      the end of the log, read once for all who follow
recent       answers that are kept for a moment
signins      sign-ins made, opened by their cookie, ended
refusals     every exception in the one shape of errors
parameters   what a type alone does not check
health       /ping, /livez, /readyz, /health, /metrics
pages        the dashboard's page and its files
schema       OpenAPI, and the interactive page over it
contract     what it says beyond what the framework finds out: every error, and `/v1`
admin/       keys, sessions, their accounts, servers, leases
overview/    how everything is, on one page
figures/     statistics, reports, SQL, the endpoints of the original
ledger/      events by page and live, one request's whole story
"""

from services.gateway.routes.application import operator_app
from services.gateway.routes.doors import Doors

__all__ = ["Doors", "operator_app"]
