"""``python -m toilctl.bundle``: print the path, digest and version of the archive as one JSON object."""

from __future__ import annotations

import json
import sys

from toilctl import bundle
from toilctl.values.errors import ToilctlError


def main() -> int:
    """Make the archive; an error goes to stderr as one sentence."""
    try:
        made = bundle.make()
    except ToilctlError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps({"path": str(made.path), "digest": made.digest, "version": made.version}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
