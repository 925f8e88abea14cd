"""The gateway's rules, pure.

routing     which service type a request is of, and what its body says about that
paths       which paths are taken at all, and what is known of each
answers/    what a server's answer means, and what follows from it
fleet       the servers as the log has them: which dialects they speak
heads       which headers go up and come down, and what may stand in one
tally       calls refused here, counted by key, type and code
crowd       when calls are let in a few at a time
leavers     keys whose clients leave before anything is sent
texts       how much of a stranger's text is told
summary     what headers and the log line say of a request
errors      every error a client can get
attention   what an operator should see to, by the answers of pool and balancer
failure     why an exchange with a server came to nothing, in one word
"""

from services.gateway.domain.answers.judgement import Judgement, judge_body, judge_head
from services.gateway.domain.answers.outcomes import (
    another_session,
    client_error,
    failure_error,
    models_error,
    no_server_error,
    outcome_of,
    pause_before,
    refusal_error,
)
from services.gateway.domain.routing import (
    Peek,
    check_model,
    model_named,
    n_error,
    read_json,
    type_error,
    units_of,
    wait_s_of,
)

__all__ = [
    "Judgement",
    "Peek",
    "another_session",
    "check_model",
    "client_error",
    "failure_error",
    "judge_body",
    "judge_head",
    "model_named",
    "models_error",
    "n_error",
    "no_server_error",
    "outcome_of",
    "pause_before",
    "read_json",
    "refusal_error",
    "type_error",
    "units_of",
    "wait_s_of",
]
