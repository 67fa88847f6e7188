"""``python -m selion``: the command line."""

import sys

from selion.cli import main

if __name__ == "__main__":
    sys.exit(main())
