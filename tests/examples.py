"""How many examples a property is tried with: a few more than need be in every run, ten times as many by make deep."""

import os
from typing import Final

USUAL: Final = 25
FEW: Final = 5
MANY: Final = 10


def examples(own: int) -> int:
    """Return how many of a property's own number of examples are tried.

    EXAMPLES=many is ten times as many; EXAMPLES=few is for a second Python that tries the same properties.
    """
    wanted = os.environ.get("EXAMPLES", "")
    return {"many": own * MANY, "few": min(own, FEW)}.get(wanted, min(own, USUAL))
