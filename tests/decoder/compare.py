"""`python3 tests/decoder/compare.py DIR...`: decodes every file that has a FILE.json beside it and compares."""
from __future__ import annotations

import argparse
import os
import sys

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from decoder.agreement import report  # noqa: E402
from decoder.checksums import missing_packages  # noqa: E402


def main() -> int:
    """Exit code 0 if everything agrees, 1 on any difference, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(description="Compares files with the dumps beside them.")
    parser.add_argument("directory", nargs="+", help="searched with all below it")
    parser.add_argument("--show", type=int, default=10, help="how many differences to print (10)")
    arguments = parser.parse_args()
    missing = missing_packages()
    if missing is not None:
        print(missing, file=sys.stderr)
        return 2
    return report(arguments.directory, arguments.show)


if __name__ == "__main__":
    sys.exit(main())
