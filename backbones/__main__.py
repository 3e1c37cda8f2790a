"""`python -m backbones VERB`."""

import sys

try:
    from backbones.cli import main

    sys.exit(main(sys.argv[1:]))
except KeyboardInterrupt:  # Ctrl-C while the libraries are still being imported
    sys.exit(130)
