#!/bin/sh
# join_disks.sh [--empty DISK]... DISK...: makes one RAID 0 volume of blank disks, and of those named as empty:
# they have a file system as EC2 makes them, ext, with nothing in it.
set -eu
is_empty() {
  # Each line is /inode/mode/uid/gid/name/size/.
  debugfs -R 'ls -p /' "$1" 2>/dev/null | awk -F/ '
    NF && (NF != 8 || $6 !~ /^([.]|[.][.]|lost[+]found)$/) { files = 1 }
    $6 == "." { read = 1 }
    END { exit !read || files }'
}
while [ "$1" = --empty ]; do
  for mounted in $(findmnt --noheadings --output TARGET --source "$2" || true); do umount "$mounted"; done
  if ! is_empty "$2"; then
    echo "$2 has files; it is left alone, and so are the others." >&2
    exit 1
  fi
  wipefs --all "$2" > /dev/null
  shift 2
done
# They were listed as blank; look once more, because mdadm --run asks nothing.
for disk in "$@"; do
  if [ -n "$(wipefs --no-act "$disk")" ]; then
    echo "$disk has a signature; it is left alone, and so are the others." >&2
    exit 1
  fi
done
# One disk is a RAID 0, too, so that there is one way only.
exec mdadm --create /dev/md/toilctl --run --force --level=0 --name=toilctl --homehost=any --raid-devices=$# "$@"
