"""Which network removes which blur, by how much?"""

import os

# albumentations asks a server for its newest version on every import unless this is set before.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

__version__ = "0.1.0"
