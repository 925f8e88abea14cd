"""Write the schema files anew: `python -m contracts.schemas [folder]`."""

import sys
from pathlib import Path

from contracts.schemas.generator import FOLDER, write

write(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
