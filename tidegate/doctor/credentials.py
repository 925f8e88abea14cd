"""The credentials under seal: whether the master key opens them, and what is wrong with some.

A session that was removed has none, on purpose; every other has one.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress

from nats.aio.client import Client

from contracts.base import SessionId
from runtime.credentials import REGIONS, Credential, WrongCredentialError, credential_of
from runtime.environment import Environment
from runtime.nats.connection import UnansweredError, connect_as
from runtime.process.findings import DoctorFinding, fine, note, unchecked, wrong
from runtime.secrets import Sealer
from runtime.settings import SettingsError
from runtime.texts import count_phrase, session_shown
from services.gateway.dialects.credentials import LOOKED_FOR_MIN, is_too_short
from services.pool.bucket import CredentialsUnavailableError
from services.pool.store import CredentialStore
from tidegate.doctor.sessions import sessions_shown, sessions_to_serve

_NAMED = 5


async def credential_findings(client: Client, environment: Environment) -> list[DoctorFinding]:
    """Open the credentials, where the pool's password and the master key are here."""
    try:
        keys = environment.read_secret("TIDEGATE_SECRET_KEY", environment.home.master_key)
        pool = await connect_as(environment, "pool")
    except SettingsError:
        return [unchecked("keys", "the master key, or the password of the pool, is not here")]
    kept = CredentialStore(pool, Sealer(keys))
    try:
        # Before the ciphertexts: that of a session is stored before it is added.
        sessions: set[SessionId] = set()
        with suppress(UnansweredError):  # that nobody leads the pool is told elsewhere
            sessions.update(await sessions_to_serve(client))
        tried = [one async for one in kept.open_all()]
    except CredentialsUnavailableError as error:
        return [unchecked("keys", f"the credentials cannot be read: {error}")]
    finally:
        await pool.close()
    opened = {one.session_id: one.credential for one in tried if one.credential is not None}
    closed = {one.session_id: one.trouble for one in tried if one.credential is None}
    missing = await _missing_findings(client, sessions - opened.keys() - closed.keys())
    if closed and not opened:
        return [wrong("keys", "master_key_wrong", next(iter(closed.values()))), *missing]
    findings = [*missing, fine("keys", f"the master key opens the credentials ({len(opened)})")]
    findings += await _closed_findings(client, closed)
    short = sum(map(is_too_short, opened.values()))
    if short:
        count = count_phrase(
            short,
            "credential, or password of its proxy, has",
            "credentials, or passwords of their proxies, have",
        )
        message = f"{count} under {LOOKED_FOR_MIN} characters: answers are not searched for that"
        findings.append(note("sessions", "credentials_short", message))
    with suppress(SettingsError):
        identity_key = environment.read_secret(
            "TIDEGATE_IDENTITY_KEY", environment.home.identity_key
        )
        findings += await _double_grants(client, shared_accounts(opened, identity_key))
    return findings


def shared_accounts(opened: Mapping[SessionId, str], identity_key: str) -> list[list[SessionId]]:
    """Name the sessions of each account that has more than one (`Credential.credentials_by_id`)."""
    accounts: defaultdict[SessionId, list[SessionId]] = defaultdict(list)
    for session_id, text in opened.items():
        try:
            accounts[_account_of(session_id, text, identity_key)].append(session_id)
        except WrongCredentialError:
            continue  # earlier versions took what none takes now
    return [sessions for sessions in accounts.values() if len(sessions) > 1]


def _account_of(session_id: SessionId, text: str, identity_key: str) -> SessionId:
    """Name the session that its account would make today; itself where it cannot be told.

    The region stands in the text that earlier versions kept, else in the identity alone. Raises
    `WrongCredentialError`.
    """
    read = credential_of({"credential": text})
    kept = [Credential(credential=text, region=region) for region in ("", *REGIONS)]
    for credential in [read, *kept] if read.region else kept:
        if session_id in credential.credentials_by_id(identity_key):
            return credential.session_identity(identity_key)
    return session_id


async def _missing_findings(client: Client, missing: Collection[SessionId]) -> list[DoctorFinding]:
    """Tell the sessions that have no ciphertext, unless they were removed meanwhile."""
    there = await _sessions_there(client, sorted(missing))
    if not there:
        return []
    shown = [session_shown(session_id, label) for session_id, label in there.items()][:_NAMED]
    more = f" (and {len(there) - len(shown)} more)" if len(there) > len(shown) else ""
    message = f"no credential is stored of {', '.join(shown)}{more}: calls on them fail"
    return [wrong("sessions", "credentials_missing", message)]


async def _closed_findings(client: Client, closed: Mapping[SessionId, str]) -> list[DoctorFinding]:
    """Tell the ciphertexts that no key opens, of sessions that are there."""
    there = await _sessions_there(client, list(closed))
    troubles = [
        session_shown(trouble, there[session_id])
        for session_id, trouble in closed.items()
        if session_id in there
    ]
    if not troubles:
        return []
    more = f" (and {len(troubles) - _NAMED} more)" if len(troubles) > _NAMED else ""
    message = f"{'; '.join(troubles[:_NAMED])}{more}"
    return [wrong("keys", "credentials_closed", message)]


async def _sessions_there(client: Client, among: list[SessionId]) -> dict[SessionId, str]:
    """Ask which of these sessions have not retired, and their labels; none if nobody answers."""
    try:
        views = await sessions_shown(client, among)
    except UnansweredError:
        return {}  # that nobody leads the pool is told elsewhere
    return {view.session_id: view.label for view in views}


async def _double_grants(client: Client, accounts: list[list[SessionId]]) -> list[DoctorFinding]:
    """Tell those accounts of which more than one session has not retired."""
    there = await _sessions_there(client, [name for sessions in accounts for name in sessions])
    left = [
        [session_shown(session, there[session]) for session in sessions if session in there]
        for sessions in accounts
    ]
    named = [" and ".join(sessions) for sessions in left if len(sessions) > 1]
    if not named:
        return []
    more = f" (and {len(named) - _NAMED} more)" if len(named) > _NAMED else ""
    message = f"{', '.join(named[:_NAMED])}{more} are one account each, which is granted twice"
    return [wrong("sessions", "account_twice", message)]
