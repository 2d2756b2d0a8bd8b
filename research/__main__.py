"""`python -m research`."""

import os
import sys

from research.cli import INTERRUPTED, main

if __name__ == "__main__":
    code = main()
    if code == INTERRUPTED:  # a compilation that is still under way would crash the interpreter as it shuts down
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
