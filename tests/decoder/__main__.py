"""`python3 -m decoder PATH [--json]`: exit code 0, 3 if there was damage, 2 for a wrong command line."""
from __future__ import annotations

import argparse
import json
import sys

from .checksums import missing_packages
from .files import read_path
from .summary import text


def main() -> int:
    """Reads one path and prints what is in it."""
    parser = argparse.ArgumentParser(prog="decoder", description="Reads rings, their files, and bundles.")
    parser.add_argument("path", help="ring or frozen-set directory, RING, head, segment or bundle")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    arguments = parser.parse_args()
    missing = missing_packages()
    if missing is not None:
        print(missing, file=sys.stderr)
        return 2
    try:
        opened = read_path(arguments.path)
    except OSError as error:
        print("decoder: %s" % error, file=sys.stderr)
        return 2
    if opened is None:
        print("decoder: %s is no file or directory of the recorder" % arguments.path, file=sys.stderr)
        return 2
    if arguments.json:
        json.dump(opened.dump, sys.stdout, sort_keys=True)
        print()
    else:
        print(text(opened))
    return 3 if opened.damages else 0


if __name__ == "__main__":
    sys.exit(main())
