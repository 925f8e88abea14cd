"""The provisioner that the configuration names, made."""

from collections.abc import Collection
from pathlib import Path

from services.pool.provisioners.credential import Provisioner
from services.pool.provisioners.local import FromFile, Generated
from services.pool.settings import ProvisionerSection


def make_provisioner(
    section: ProvisionerSection,
    kind: str | None = None,
    services: Collection[str] | None = None,
    file: str = "",
) -> Provisioner:
    """Make the provisioner that the configuration names; `kind` where it names none.

    `services` are the types that limits may name; None: any. `file` is where its `path` or
    `token_file` was found.
    """
    kind = section.kind or kind
    if kind == "generated":
        return Generated()
    if kind == "file":
        return FromFile(Path(file or section.path), services)
    if kind == "http":
        # httpx costs a process 10 MB; most pools have no hook.
        from services.pool.provisioners.hook import Hook  # noqa: PLC0415

        token_file = Path(file or section.token_file) if section.token_file else None
        return Hook(section.url, token_file, section.timeout, services=services)
    return Provisioner()
