"""Where sessions come from: each provisioner names the credentials the pool still lacks.

generated   opaque random credentials, as many as the pool wants; they open the demo servers
file        those of a file the operator keeps: one a line, `us-`, `hk-`, `jp-` or `sg-` before
            it names its region; or one JSON object a line with `credential` and, if wanted,
            `region`, `limits` (`{"image": 5}`) and `quota_timezone`. Blank lines and lines
            that begin with `#` are skipped. Read again whenever it changed; what is taken out
            of it stays in the pool until an operator retires it.
http        those that a hook of the operator's answers (`hook`)
none        nothing: sessions come by the API alone
"""

from pathlib import Path

from services.pool.provisioners.credential import Credential, Known, Provisioner, ProvisionError
from services.pool.provisioners.local import FromFile, Generated
from services.pool.settings import ProvisionerSection

__all__ = ["Credential", "Known", "ProvisionError", "Provisioner", "provisioner"]


def provisioner(section: ProvisionerSection) -> Provisioner:
    """Make the provisioner that the configuration names."""
    if section.kind == "generated":
        return Generated()
    if section.kind == "file":
        return FromFile(Path(section.path))
    if section.kind == "http":
        # httpx costs a process 10 MB; most pools have no hook.
        from services.pool.provisioners.hook import Hook  # noqa: PLC0415

        token_file = Path(section.token_file) if section.token_file else None
        return Hook(section.url, token_file, section.timeout)
    return Provisioner()
