"""What the doctor may find, each with its cure in one sentence; docs/runbook.md has them all."""

from enum import StrEnum
from typing import Literal

import msgspec

FindingCode = Literal[
    "configuration_wrong",
    "credentials_refused",
    "provisioner_file_missing",
    "configuration_held",
    "generated_beside_own",
    "home_missing",
    "home_mode",
    "key_missing",
    "key_empty",
    "key_mode",
    "key_unknown",
    "key_revoked",
    "master_key_wrong",
    "master_key_stray",
    "master_key_chosen",
    "master_key_lacking",
    "rotation_halfway",
    "credentials_closed",
    "disk_full",
    "disk_small",
    "sql_disk_small",
    "restored_recently",
    "nats_unreachable",
    "nats_password_wrong",
    "permission_open",
    "stream_unreadable",
    "stream_missing",
    "stream_changed",
    "log_nearly_full",
    "log_full",
    "log_unwritable",
    "log_truncated",
    "consumer_behind",
    "clock_skew",
    "log_ahead",
    "pool_no_leader",
    "balancer_no_leader",
    "policy_refused",
    "snapshot_missing",
    "snapshot_damaged",
    "standby_absent",
    "logins_refused",
    "no_active_session",
    "account_twice",
    "credentials_missing",
    "credentials_short",
    "sessions_short",
    "sessions_unserved",
    "sessions_doubtful",
    "queue_hopeless",
    "call_fails",
    "call_waits",
    "service_unserved",
    "growth_held",
    "provisioner_failing",
    "units_withheld",
    "leases_unrenewed",
    "queue_full",
    "quota_used_up",
    "no_servers",
    "server_down",
    "server_probe_refused",
    "server_ejected",
    "server_silent",
    "server_draining",
    "server_id_unnameable",
    "capabilities_uneven",
    "server_without_sessions",
    "strategy_failing",
    "strategy_pinned",
    "server_open",
    "server_reach_unseen",
    "analytics_absent",
    "analytics_schema",
    "analytics_behind",
    "analytics_damaged",
    "analytics_sql",
    "events_set_aside",
    "gateway_absent",
    "gateway_not_ready",
    "process_not_ready",
]
"""What there is to cure; `CURES` says how."""


class State(StrEnum):
    """How bad it is; only `wrong` makes the doctor exit 1."""

    FINE = "fine"
    NOTE = "note"
    UNCHECKED = "not checked here"
    WRONG = "wrong"


class DoctorFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    area: str
    state: State
    code: FindingCode | Literal[""] = ""
    """Which entry of `CURES`; empty when there is nothing to cure."""
    message: str

    @property
    def cure(self) -> str:
        """What to do about it."""
        return CURES[self.code] if self.code else ""


CURES: dict[FindingCode, str] = {
    "configuration_wrong": "Correct the setting that is named; `tidegate config check` says when"
    " it is one.",
    "credentials_refused": "Correct the lines that are named: a credential, or a JSON object, a"
    " line; the good ones are in use.",
    "provisioner_file_missing": "Put the file where the configuration names it, or name it in"
    " `[pool.provisioner]`; the sessions that there are go on, and no new ones are added until"
    " then.",
    "configuration_held": "Put the file that names the servers back, or name it in"
    " TIDEGATE_CONFIG; if the servers are to go, `tidegate config accept`.",
    "generated_beside_own": "Write where sessions come from, `[pool.provisioner] kind` (`file`,"
    " `http` or `none`): those made up for the demo retire then; `generated` keeps them.",
    "home_missing": "Name the home in TIDEGATE_HOME, or make one by `tidegate migrate --secrets`.",
    "home_mode": "Let nobody else read it: `chmod 700` the folder.",
    "key_missing": "Put the file back from a backup, or give its value by its variable; a master"
    " key made anew opens no credential.",
    "key_empty": "Put its text back from a backup before anything is started again: what runs has"
    " read it, and no process begins without it.",
    "key_mode": "Let nobody else read it: `chmod 600` the file.",
    "key_unknown": "Put a key that the log knows into the file (`tidegate keys list` shows them,"
    " `tidegate keys issue` makes one).",
    "key_revoked": "Issue another key (`tidegate keys issue`) and put it into the file.",
    "master_key_wrong": "Give the master key that the credentials were sealed under, from a backup"
    " or your vault; without it the sessions must be added again.",
    "master_key_stray": "Take the line out of the file, or put `#` before it if it is a comment; if"
    " credentials are sealed under it (`tidegate secrets show`), put it behind a key that Tidegate"
    " made and say `tidegate secrets rotate`.",
    "master_key_chosen": "If it is not as random as one that Tidegate makes, say `tidegate secrets"
    " rotate`: every credential gets a key that was made, while everything runs.",
    "master_key_lacking": "Give it the key file that the pool has; it reads the file again by"
    " itself. One of an earlier version must be updated first.",
    "rotation_halfway": "Say `tidegate secrets rotate` where the key file is: it goes on from"
    " where the rotation stands.",
    "credentials_closed": "Put the key that they were sealed under last into the key file, or add"
    " those credentials again (`tidegate sessions add`): each keeps its id and its counts.",
    "disk_full": "Free disk space, or move the home to a larger disk.",
    "disk_small": "Free disk space: the log is allowed to grow by more than there is.",
    "sql_disk_small": "Free disk space, or move the home to a larger disk: until then SQL is"
    " refused; everything else goes on.",
    "restored_recently": "Nothing, if nothing was granted after the backup; else expect servers"
    " to refuse units they have charged already, until the next reset.",
    "nats_unreachable": "Start NATS (`tidegate up`, or your own server), or correct"
    " TIDEGATE_NATS_URL.",
    "nats_password_wrong": "Have NATS load the nats.conf that `tidegate migrate --secrets` writes,"
    " or give the user's password that it has.",
    "permission_open": "Have NATS load the nats.conf that `tidegate migrate --secrets` writes, at"
    " once: this user may write what it must not.",
    "stream_unreadable": "Have NATS load the nats.conf that `tidegate migrate --secrets` writes:"
    " it lacks a right of a later version.",
    "stream_missing": "If the log was there before, `tidegate restore` a backup; on a new system"
    " run `tidegate migrate`.",
    "stream_changed": "Set it back by the means that changed it (`nats stream edit`): the promise"
    " rests on it.",
    "log_nearly_full": "Give the stream EVT a larger max_bytes (`nats stream edit EVT"
    " --max-bytes`), with the disk for it, before it reaches 90 %.",
    "log_full": "Give the stream EVT a larger max_bytes (`nats stream edit EVT --max-bytes`), with"
    " the disk for it: until then no lease is granted.",
    "log_unwritable": "Make room on NATS's disk. `up` and the Compose file then start NATS again by"
    " themselves; your own server you start again: it keeps the error until then.",
    "log_truncated": "Find out who purged it: nothing of Tidegate does, and no archive holds what"
    " is gone. Keep the backups that have it; `tidegate restore` one if analytics must be rebuilt.",
    "consumer_behind": "Look into the log of the process it belongs to; a restart makes it anew.",
    "clock_skew": "Have one time service keep the clocks of all machines.",
    "log_ahead": "Correct the clock that ran ahead: until time reaches the log, quota days and"
    " deadlines stand still.",
    "pool_no_leader": "Start a pool (`tidegate pool`), and read why the last one ended in its log.",
    "balancer_no_leader": "Start a balancer (`tidegate balancer`), and read why the last one ended"
    " in its log.",
    "policy_refused": "Write the tier that it names back, or give its sessions another one"
    " (`tidegate sessions change --tier`): until then the pool goes by the configuration before.",
    "snapshot_missing": "Give the machine more memory, or cure what the pool's log says of it:"
    " until then a pool process that begins reads more of the log than it need.",
    "snapshot_damaged": "Look whether disk or memory of NATS's machine fail; the next snapshot is"
    " made at a checkpoint, and until then a pool process that begins reads more of the log.",
    "standby_absent": "Run a second pool and a second balancer, if a restart of some seconds is"
    " too long.",
    "logins_refused": "Find out whether the accounts are gone or a server is wrong (`tidegate"
    " sessions test`, `tidegate tail --type session_suspected`): a call a minute tries again.",
    "no_active_session": "Add sessions (`tidegate sessions add`), or clear those that are well"
    " (`tidegate sessions clear`).",
    "account_twice": "Remove one session of each pair (`tidegate sessions remove`): the other goes"
    " on, whichever spelling the file, the hook or the API gives.",
    "credentials_missing": "Add the credentials of those sessions again (`tidegate sessions add`):"
    " each keeps its id and its counts.",
    "credentials_short": "Know it: the gateway looks for no secret of under 12 characters in"
    " what servers answer, so that a server which repeats one shows it to clients.",
    "sessions_short": "See whether some are no good (`tidegate sessions list --status"
    " suspect,disabled` says why), and give the provisioner more credentials, or add some by"
    " `tidegate sessions add`.",
    "sessions_unserved": "Let a server serve that region (`tidegate servers change`, `serves`), or"
    " add one that does; those that speak `jimeng-free-all` or `jimeng-free` serve none.",
    "sessions_doubtful": "Ask whether the accounts live (`tidegate sessions test`); the first call"
    " that succeeds ends the doubt.",
    "queue_hopeless": "Add sessions or clear those that are well; `tidegate queue drop` ends the"
    " waits at once.",
    "call_fails": "Cure what its reason names: it is what a client would be told now.",
    "call_waits": "Nothing, if it passes: all sessions are at work. Else add sessions, or allow"
    " each more at once (`session_concurrency`).",
    "service_unserved": "Nothing, if no server of yours is meant to do it; else name it in a"
    " server's `capabilities`.",
    "growth_held": "Find out why logins fail (`tidegate sessions test`), and clear the sessions"
    " that are well or remove those that are dead: the pool then asks for new ones itself. What was"
    " used up for the day is allowed again at midnight UTC, or by a greater `max_size`.",
    "provisioner_failing": "See to what makes the sessions (`[pool.provisioner]`): it is asked"
    " again by itself, after a minute at the latest.",
    "units_withheld": "Let those that drain work again (`tidegate sessions clear`); a suspect is"
    " tried once a minute, and `tidegate sessions test` tries it now.",
    "leases_unrenewed": "Start the gateway again, or wait: the leases end by themselves"
    " (`tidegate leases list` names them).",
    "queue_full": "See who waits (`tidegate queue list`); add sessions, or bound what one key may"
    " have waiting (`[pool] queue_max_per_key`).",
    "quota_used_up": "Wait for the reset, or add sessions by `tidegate sessions add`.",
    "no_servers": "Name servers in `[[servers]]` of the configuration.",
    "server_down": "Start the server, or take it out of the configuration; until then the others"
    " carry its load.",
    "server_probe_refused": "It answers, but not as its probes expect: let `probe_path`,"
    " `probe_status` and `probe_body` name what it answers when it is well (`tidegate servers"
    " change ID --probe-path /health`, or its entry in `[[servers]]`).",
    "server_ejected": "Cure what its calls failed with; it is tried again by itself when its time"
    " is over. `tidegate servers probe ID` asks it for nothing, `tidegate servers test ID` makes"
    " one paid call and says what came of it.",
    "server_silent": "See whether it hangs: it gets no new calls until it answers one, or those"
    " that wait there have given up. `tidegate servers probe ID` asks it, for nothing.",
    "server_draining": "Nothing, while it is meant to have no work; else"
    " `tidegate servers undrain` it.",
    "server_id_unnameable": "Give it such an id in the file when that suits: to the log it is"
    " another server then, whose figures begin anew.",
    "capabilities_uneven": "Name what each server does in its `capabilities`, or choose by another"
    " strategy (`tidegate servers strategy least_connections`), if they are to share those calls.",
    "server_without_sessions": "Add sessions of a region that it `serves`, or let it serve others.",
    "strategy_failing": "Mend the function, or choose by another: `tidegate servers strategy NAME`."
    " What it printed is in the balancer's log.",
    "strategy_pinned": "Nothing, while it is meant; else `tidegate servers strategy unpin`: until"
    " then no rule, file or service type says who chooses.",
    "server_open": "Have it listen to this machine alone (bind 127.0.0.1), or let a firewall keep"
    " out everybody but the gateways.",
    "server_reach_unseen": "See to it, on its machine or in the network, that nobody but the"
    " gateways reaches it; then this note has nothing more to say.",
    "analytics_absent": "Start it (`tidegate analytics`); calls go on without it.",
    "analytics_schema": "Restart analytics with one version of the code; failing that, remove"
    " analytics.duckdb: it is rebuilt from the log.",
    "analytics_behind": "Read why in its /readyz and log; failing that, stop it, remove"
    " analytics.duckdb and start it: it is rebuilt from the log.",
    "analytics_damaged": "Look whether disk or memory of this machine fail (the log line `damaged`"
    " says what DuckDB found); once analytics is ready again, remove what was put aside.",
    "analytics_sql": "Put the file back as the version has it: what it answers is left out until"
    " then.",
    "events_set_aside": "Nothing, if those few are old: the view anomalies says why. If they grow,"
    " whoever writes them is to be mended; `tidegate tail --from` shows them.",
    "gateway_absent": "Start one (`tidegate gateway`), or name it in TIDEGATE_API.",
    "gateway_not_ready": "Cure what its reason names: it is ready by itself then.",
    "process_not_ready": "Cure what its reason names; its own log says more.",
}
"""Every code of a finding."""


def fine(area: str, message: str) -> DoctorFinding:
    """Say that something is as it must be."""
    return DoctorFinding(area=area, state=State.FINE, message=message)


def wrong(area: str, code: FindingCode, message: str) -> DoctorFinding:
    """Say that something is not as it must be."""
    return DoctorFinding(area=area, state=State.WRONG, code=code, message=message)


def note(area: str, code: FindingCode, message: str) -> DoctorFinding:
    """Say something that an operator may want to know, and that is no fault."""
    return DoctorFinding(area=area, state=State.NOTE, code=code, message=message)


def unchecked(area: str, message: str) -> DoctorFinding:
    """Say that, and why, something could not be looked at from here."""
    return DoctorFinding(area=area, state=State.UNCHECKED, message=message)
