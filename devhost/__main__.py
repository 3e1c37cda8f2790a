"""`python -m devhost VERB`."""

import sys

from devhost.cli import main

sys.exit(main(sys.argv[1:]))
