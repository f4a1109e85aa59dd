"""`python -m deblur.demo`."""

import sys

from deblur.demo import main

sys.exit(main())
