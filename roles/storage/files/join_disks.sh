#!/bin/sh
# join_disks.sh DISK...: makes one RAID 0 volume of blank disks.
set -eu
# They were listed as blank; look once more, because mdadm --run asks nothing.
for disk in "$@"; do
  if [ -n "$(wipefs --no-act "$disk")" ]; then
    echo "$disk has a signature; it is left alone, and so are the others." >&2
    exit 1
  fi
done
# One disk is a RAID 0, too, so that there is one way only.
exec mdadm --create /dev/md/toilctl --run --force --level=0 --name=toilctl --homehost=any --raid-devices=$# "$@"
