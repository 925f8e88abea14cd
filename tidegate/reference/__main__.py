"""Write the reference pages anew: `python -m tidegate.reference`."""

from pathlib import Path

from tidegate.reference.pages import all_pages

folder = Path(__file__).parents[2] / "docs" / "reference"
folder.mkdir(parents=True, exist_ok=True)
for stale in folder.glob("*.md"):
    stale.unlink()
for name, text in all_pages().items():
    (folder / name).write_text(text)
