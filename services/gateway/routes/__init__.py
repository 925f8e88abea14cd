"""The operator's doors: everything over HTTP that is no generation.

doors      what they stand on, and how they ask the other services
guard      who may come in
refusals   every exception in the one shape of errors
health     /ping, /livez, /readyz, /health, /metrics
original   the endpoints of the original, with true numbers (figures: their shapes)
keys       client keys            sessions   the pool's sessions
leases     open and unknown ones  servers    the servers behind the gateway
analysis   SQL                    statistics any measure by any dimensions, and as files
reports    daily and weekly ones  downloads  files fetched part by part from analytics
events     the log by page, and live schema    the interactive page over OpenAPI
"""

from services.gateway.routes.application import operator_app
from services.gateway.routes.doors import Doors

__all__ = ["Doors", "operator_app"]
