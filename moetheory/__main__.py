"""``python -m moetheory`` is the command ``moetheory``."""

import sys

from moetheory.cli import main

if __name__ == "__main__":
    sys.exit(main())
