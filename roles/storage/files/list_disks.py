"""Print a node's block devices, and which of them EC2 maps as instance store, as one JSON document.

Runs on the node with its own Python. Only Xen instance types need the metadata service: NVMe disks name themselves.
"""

import json
import subprocess
import urllib.error
import urllib.request

METADATA = "http://169.254.169.254/latest"
COLUMNS = "NAME,PATH,TYPE,SIZE,MODEL,FSTYPE,PTTYPE,LABEL,MOUNTPOINTS"


def metadata(path, method="GET", **headers):
    """Ask EC2's metadata service."""
    request = urllib.request.Request(f"{METADATA}/{path}", method=method, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310
        return answer.read().decode()


def ephemeral_devices():
    """Return the names by which EC2 maps instance store: those that the launch asked for."""
    token = metadata("api/token", "PUT", **{"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    known = {"X-aws-ec2-metadata-token": token}
    names = metadata("meta-data/block-device-mapping/", **known).split()
    return [
        metadata(f"meta-data/block-device-mapping/{name}", **known).strip()
        for name in names
        if name.startswith("ephemeral")
    ]


listing = json.loads(subprocess.check_output(["lsblk", "--json", "--bytes", "--output", COLUMNS]))
ephemeral = []
if any(device["name"].startswith("xvd") for device in listing["blockdevices"]):
    try:
        ephemeral = ephemeral_devices()
    except (urllib.error.URLError, TimeoutError):
        # Without EC2's word that a disk is instance store, none is taken.
        ephemeral = []
print(json.dumps({"ephemeral": ephemeral, "blockdevices": listing["blockdevices"]}))
