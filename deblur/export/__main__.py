"""`python -m deblur.export`."""

import sys

from deblur.export import main

sys.exit(main())
