#!/bin/sh
# move_directories.sh VOLUME DIRECTORY...: bind-mounts each directory from the volume, with what it holds.
# Whatever step a run stops at, the next one goes on from there.
set -eu
volume=$1
shift
stopped=
for directory in "$@"; do
  mountpoint --quiet "$directory" && continue
  if [ -z "$stopped" ] && systemctl --quiet is-active docker.service 2>/dev/null; then
    systemctl stop docker.socket docker.service
    stopped=yes
  fi
  moved=$volume$directory
  mkdir -p "$directory" "$(dirname "$moved")"
  if [ ! -d "$moved" ]; then
    rm -rf "$moved.new"
    cp -a "$directory" "$moved.new"
    mv "$moved.new" "$moved"
  fi
  entry="$moved $directory none bind,nofail,x-systemd.requires-mounts-for=$volume 0 0"
  grep -qxF "$entry" /etc/fstab || echo "$entry" >> /etc/fstab
  mount "$directory"
done
if [ -n "$stopped" ]; then systemctl start docker.service; fi
