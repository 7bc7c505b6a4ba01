"""`python3 tests/decoder/golden.py`: compares all golden files of the repository with their dumps."""
from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(HERE))

from decoder.agreement import report  # noqa: E402
from decoder.checksums import missing_packages  # noqa: E402

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(HERE)), "format", "tests", "golden")


def main() -> int:
    """Exit code 0 if everything agrees, 1 on any difference or if there is nothing to compare."""
    missing = missing_packages()
    if missing is not None:
        print(missing, file=sys.stderr)
        return 2
    return report([GOLDEN], 100)


if __name__ == "__main__":
    sys.exit(main())
