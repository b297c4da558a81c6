"""What cloud-init finds in a host: the instance's real user data, its names and its public key."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Final

from toilctl.local.host_spec import HostSpec

SEED: Final = "var/lib/cloud/seed/nocloud"
LOGIN_CONFIG: Final = "etc/cloud/cloud.cfg.d/95_login.cfg"


def meta_data(spec: HostSpec) -> str:
    """Return the NoCloud meta-data document; JSON is YAML, and quotes whatever needs it."""
    document: dict[str, object] = {
        "instance-id": spec.instance_id,
        "local-hostname": spec.hostname,
        "availability-zone": spec.zone,
        "region": spec.zone[:-1],
        "instance-type": spec.instance_type,
    }
    if spec.public_key:
        document["public-keys"] = [spec.public_key.strip()]
    return json.dumps(document, indent=1)


def login_config(login_user: str) -> str:
    """Return cloud-init's configuration of the login user, as a machine image has it."""
    user = {
        "name": login_user,
        "lock_passwd": True,
        "gecos": "Debian",
        "groups": ["adm", "audio", "cdrom", "dialout", "dip", "floppy", "netdev", "plugdev", "sudo", "video"],
        "sudo": ["ALL=(ALL) NOPASSWD:ALL"],
        "shell": "/bin/bash",
    }
    return json.dumps({"system_info": {"default_user": user}}, indent=1)


def archive(spec: HostSpec) -> bytes:
    """Return a tar archive, to be unpacked at / before the host's first boot."""
    files = {
        f"{SEED}/meta-data": (meta_data(spec).encode(), 0o644),
        # It may hold secrets: for root alone, as the metadata service's are for the host alone.
        f"{SEED}/user-data": (spec.user_data, 0o600),
        LOGIN_CONFIG: (login_config(spec.login_user).encode(), 0o644),
    }
    return tar(files, directories=("var/lib/cloud/seed", SEED))


def tar(files: dict[str, tuple[bytes, int]], directories: tuple[str, ...] = ()) -> bytes:
    """Return a tar archive of files by path, with content and mode, owned by root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name in directories:
            out.addfile(_member(name, 0o755, kind=tarfile.DIRTYPE))
        for name, (content, mode) in files.items():
            member = _member(name, mode)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _member(name: str, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.type = mode, kind
    return member
