"""Print a node's block devices, and what EC2 and the system say of them, as one JSON document.

Runs on the node with its own Python. Only Xen instance types need the metadata service: NVMe disks name themselves.
"""

import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

METADATA = "http://169.254.169.254/latest"
COLUMNS = "NAME,PATH,TYPE,SIZE,MODEL,FSTYPE,PTTYPE,LABEL,MOUNTPOINTS"
FSTAB = Path("/etc/fstab")
CONTAINERS = Path("/var/lib/docker/containers")
VOLUME = "LABEL=toilctl"
# What mkfs itself makes.
NOTHING = {".", "..", "lost+found"}


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


def is_empty(device):
    """Tell whether a file system as EC2 makes them (ext2 to ext4) holds nothing; what cannot be read is not empty."""
    mounts = [path for path in device["mountpoints"] or () if path]
    try:
        if mounts:
            return {path.name for path in Path(mounts[0]).iterdir()} <= NOTHING
        # Without mounting it: each line is /inode/mode/uid/gid/name/size/.
        command = ["debugfs", "-R", "ls -p /", device["path"]]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return False
    entries = [line.split("/") for line in listed if line]
    names = {entry[5] if len(entry) == 8 else "" for entry in entries}
    return "." in names and names <= NOTHING


def mounted_by(lines):
    """Return where the volume is to be mounted, and which disks cloud-init has mounted, by the lines of fstab."""
    entries = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    entries = [entry for entry in entries if len(entry) > 3]
    volume = next((entry[1] for entry in entries if entry[0] == VOLUME), "")
    return volume, sorted(entry[0] for entry in entries if "comment=cloudconfig" in entry[3].split(","))


def main():
    """Print what there is."""
    listing = json.loads(subprocess.check_output(["lsblk", "--json", "--bytes", "--output", COLUMNS]))
    devices = listing["blockdevices"]
    ephemeral = []
    if any(device["name"].startswith("xvd") for device in devices):
        try:
            ephemeral = ephemeral_devices()
        except (urllib.error.URLError, TimeoutError):
            # Without EC2's word that a disk is instance store, none is taken.
            ephemeral = []
    volume, by_cloud_init = mounted_by(FSTAB.read_text().splitlines())
    formatted = [device for device in devices if ephemeral and (device["fstype"] or "").startswith("ext")]
    facts = {
        "ephemeral": ephemeral,
        "blockdevices": devices,
        "empty": [device["path"] for device in formatted if is_empty(device)],
        "volume": volume,
        "by_cloud_init": by_cloud_init,
        # Whether containers have run: then disks that were not taken before stay as they are.
        "in_use": CONTAINERS.is_dir() and any(CONTAINERS.iterdir()),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
