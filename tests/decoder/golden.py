"""`python3 tests/decoder/golden.py [DIR]`: compares golden files, by default the repository's, with their dumps."""
from __future__ import annotations

import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(HERE))

from decoder.agreement import report  # noqa: E402
from decoder.checksums import missing_packages  # noqa: E402

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(HERE)), "format", "tests", "golden", "v1")


def main() -> int:
    """Exit code 0 if all agree, 1 on any difference or if there is nothing to compare, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(description="Compares golden files with the dumps beside them.")
    parser.add_argument("directory", nargs="?", default=GOLDEN, help="searched with all below it (%(default)s)")
    arguments = parser.parse_args()
    missing = missing_packages()
    if missing is not None:
        print(missing, file=sys.stderr)
        return 2
    return report([arguments.directory], 100)


if __name__ == "__main__":
    sys.exit(main())
