"""`python -m rflow.cli`: the same as `rflow`."""

import sys

from rflow.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
