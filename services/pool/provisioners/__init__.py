"""Where sessions come from: each provisioner names the credentials the pool still lacks.

credential  what every provisioner can be asked, and what keeps one from answering
local       credentials that are made here, or that lie in a file
hook        those that a hook of the operator's answers
factory     the one that the configuration names

What it may name (`pool.provisioner.kind`):

generated   opaque random credentials, as many as the pool wants; they open the demo servers, and
            with those it is what is done where nothing is written
file        those of a file the operator keeps: one a line, or one JSON object a line with
            `credential` and, if wanted, `region`, `limits` (`{"image": 5}`) and
            `quota_timezone`; `us-`, `hk-`, `jp-` or `sg-` before a credential names its
            region, whichever door it comes by. Blank lines and lines
            that begin with `#` are skipped; a line that is of no use is named in the log and by
            `doctor`, and costs none of the others (`runtime.credentials` reads the files of
            every door). Read again whenever it changed; what is taken out of it stays in the
            pool until an operator retires it.
http        those of the hook
none        nothing: sessions come by the API alone; so it is with servers of one's own
"""

from runtime.credentials import Credential
from services.pool.provisioners.credential import (
    Known,
    Provisioner,
    ProvisionError,
    account_lookup,
    session_addition,
    session_of_account,
    texts_of_sessions,
)
from services.pool.provisioners.factory import make_provisioner

__all__ = [
    "Credential",
    "Known",
    "ProvisionError",
    "Provisioner",
    "account_lookup",
    "make_provisioner",
    "session_addition",
    "session_of_account",
    "texts_of_sessions",
]
