"""`python -m xene` is `xene`."""

import sys

from xene.cli import main

if __name__ == "__main__":
    sys.exit(main())
