"""Write the schema files anew: `python -m contracts.schemas`."""

from contracts.schemas import FOLDER, documents

for stale in FOLDER.rglob("*.json"):
    stale.unlink()
for name, text in documents().items():
    path = FOLDER / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
