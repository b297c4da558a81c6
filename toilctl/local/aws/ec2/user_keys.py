"""Key pairs that the user brings, beside AWS's interfaces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from toilctl.values.errors import UsageError

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend

_NAME: Final = re.compile(r"[ -~]{1,255}")


def bring(backend: EC2Backend, name: str, public_key: str) -> bool:
    """Make a key pair, as ImportKeyPair does; return False when it is there with this key.

    :raises UsageError: for a name or key that EC2 refuses, and when the key pair is there with another key.
    """
    from moto.ec2.exceptions import InvalidKeyPairFormatError

    if not _NAME.fullmatch(name) or name != name.strip():
        raise UsageError(f"{name!r} cannot be the name of a key pair.", "Use up to 255 ASCII characters.")
    known = backend.key_pairs.get(name)
    if known is not None:
        if known.public_key.split()[:2] == public_key.split()[:2]:
            return False
        raise UsageError(f"There is a key pair {name!r} with another key.", "Choose another name.")
    try:
        backend.import_key_pair(name, public_key.encode(), {})
    except InvalidKeyPairFormatError:
        raise UsageError("EC2 would not take this key.", "Take an Ed25519 or RSA key.") from None
    return True
