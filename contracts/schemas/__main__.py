"""Write the schema files anew: `python -m contracts.schemas [folder]`."""

import sys
from pathlib import Path

from contracts.schemas.generator import FOLDER, write_documents

write_documents(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
