"""What Ansible says will not work for ever: ``python -m tests.deprecations LOG`` fails if a log has such a warning."""

import re
import sys
from pathlib import Path

WARNING = re.compile(r"\[DEPRECATION WARNING\]: (.*?)(?=\n\n|\n\[|\n[A-Z]{4,} |\Z)", re.DOTALL)
# What amazon.aws gives rise to, whatever it is asked for: 11 tells everybody, and 10 calls and imports Ansible so.
OF_THE_COLLECTION = (
    "Importing 'to_native' from 'ansible.module_utils._text' is deprecated.",
    "Importing 'to_text' from 'ansible.module_utils._text' is deprecated.",
    "The 'tags' host variable is deprecated.",
    "Passing `disable_lookups` to `template` is deprecated.",
)


def deprecations(said: str) -> list[str]:
    """Return the warnings that our own playbooks, roles or inventory gave rise to, each in one line."""
    found = (" ".join(text.split()) for text in WARNING.findall(said))
    return sorted({text for text in found if not text.startswith(OF_THE_COLLECTION)})


if __name__ == "__main__":
    sys.exit("\n".join(deprecations(Path(sys.argv[1]).read_text())) or None)
