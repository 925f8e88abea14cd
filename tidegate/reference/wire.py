"""The pages about the wire: events of the log, subjects of the table."""

import msgspec

from contracts.events import event_tags
from contracts.schemas.generator import union_members
from contracts.subjects import TABLE
from tidegate.reference.markdown import as_code, doc_sentence, field_docs, markdown_table


def events_page() -> str:
    """Every event: its tag, what it says, its fields."""
    text = (
        "# Events of the log\n\n"
        "Each stands in a commit envelope ([schema](../../contracts/schemas/envelope.json)) on its"
        " owner's subject; see [subjects](subjects.md). Fields with a default may be absent.\n"
    )
    for tag, kind in sorted(event_tags().items()):
        docs = field_docs(kind)
        rows = [
            (as_code(field.encode_name), "" if field.required else "yes", docs.get(field.name, ""))
            for field in msgspec.structs.fields(kind)
        ]
        text += f"\n## `{tag}`\n\n{doc_sentence(kind)}\n\n"
        text += markdown_table(("field", "has a default", "meaning"), rows)
    return text


def subjects_page() -> str:
    """Every subject: who owns it, who may ask, what it carries."""
    rows = [
        (
            as_code(row.pattern),
            row.owner,
            ", ".join(row.callers),
            ", ".join(as_code(kind.__name__) for kind in union_members(row.message)),
            ", ".join(as_code(kind.__name__) for kind in union_members(row.reply)),
        )
        for row in TABLE
    ]
    columns = ("subject", "owner", "callers", "messages", "replies")
    return (
        "# Subjects\n\n"
        "The owner answers, or, where there is no reply, writes events (`evt.`) or tells everybody"
        " who listens (`ctl.`). The permissions of the"
        " NATS users are derived from this table ([AsyncAPI]"
        "(../../contracts/schemas/asyncapi.json)).\n\n"
        f"{markdown_table(columns, rows)}"
    )
