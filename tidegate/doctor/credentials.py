"""The credentials under seal: whether the master key opens them, and what is wrong with some."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from nats.aio.client import Client

from contracts import subjects
from contracts.base import Failed, SessionId
from contracts.pool import PoolStatus, PoolStatusReply, SessionStatus
from runtime.credentials import WrongCredentialError, credential_of
from runtime.environment import Environment
from runtime.nats.connection import UnansweredError, ask_command, connect_as
from runtime.secrets import Sealer, SealError
from runtime.settings import SettingsError
from services.gateway.dialects.credentials import LOOKED_FOR_MIN, is_too_short
from services.pool.store import Credentials, CredentialsUnavailableError
from tidegate.doctor.findings import Finding, fine, note, unchecked, wrong

_TIMEOUT_S = 2.0
_NAMED = 5
_pool = msgspec.json.Decoder(PoolStatusReply | Failed)


async def looked_at(client: Client, found: Environment) -> list[Finding]:
    """Open the credentials, where the pool's password and the master key are here."""
    try:
        key = found.read_secret("TIDEGATE_SECRET_KEY", found.home.master_key)
        pool = await connect_as(found, "pool")
    except SettingsError:
        return [unchecked("keys", "the master key, or the password of the pool, is not here")]
    kept = Credentials(pool, Sealer(key))
    try:
        opened = {session_id: text async for session_id, text in kept.opened()}
    except SealError as error:
        return [wrong("keys", "master_key_wrong", str(error))]
    except CredentialsUnavailableError as error:
        return [unchecked("keys", f"the credentials cannot be read: {error}")]
    finally:
        await pool.close()
    findings = [fine("keys", f"the master key opens the credentials ({len(opened)})")]
    short = sum(map(is_too_short, opened.values()))
    if short:
        told = f"{short} credentials, or passwords of their proxies, have under"
        message = f"{told} {LOOKED_FOR_MIN} characters: answers are not searched for them"
        findings.append(note("sessions", "credentials_short", message))
    with suppress(SettingsError):
        identity_key = found.read_secret("TIDEGATE_IDENTITY_KEY", found.home.identity_key)
        findings += await _twice(client, several(opened, identity_key))
    return findings


def several(opened: Mapping[SessionId, str], identity_key: str) -> list[list[SessionId]]:
    """Name the sessions of each account that has more than one (`Credential.credentials_by_id`)."""
    accounts: defaultdict[SessionId, list[SessionId]] = defaultdict(list)
    for session_id, text in opened.items():
        try:
            one = credential_of({"credential": text})
        except WrongCredentialError:
            continue  # earlier versions took what none takes now
        # Without a region in the text it is kept as it is today.
        is_older = bool(one.region) and session_id in one.credentials_by_id(identity_key)
        accounts[one.session_identity(identity_key) if is_older else session_id].append(session_id)
    return [sessions for sessions in accounts.values() if len(sessions) > 1]


async def _twice(client: Client, accounts: list[list[SessionId]]) -> list[Finding]:
    """Tell those accounts of which more than one session has not retired."""
    among = [session_id for sessions in accounts for session_id in sessions]
    if not among:
        return []
    question = PoolStatus(among=among, limit=len(among))
    try:
        told = await ask_command(client, subjects.pool_status(), question, _pool, _TIMEOUT_S)
    except UnansweredError:
        return []  # that nobody leads the pool is told elsewhere
    views = told.sessions if isinstance(told, PoolStatusReply) else []
    there = {one.session_id for one in views if one.status is not SessionStatus.RETIRED}
    left = [[one for one in sessions if one in there] for sessions in accounts]
    named = [" and ".join(sessions) for sessions in left if len(sessions) > 1]
    if not named:
        return []
    more = f" (and {len(named) - _NAMED} more)" if len(named) > _NAMED else ""
    message = f"{', '.join(named[:_NAMED])}{more} are one account each, which is granted twice"
    return [wrong("sessions", "account_twice", message)]
