#!/bin/sh
# choose_directory.sh PATH DIRECTORY...: says which of the directories is to be at PATH: the one that is already, else the
# one on the largest disk, and of equal ones the first.
set -eu
path=$1
shift
chosen=$(awk -v path="$path" '$2 == path { print $1 }' /etc/fstab)
largest=0
[ -n "$chosen" ] || for directory in "$@"; do
  there=$directory
  until [ -d "$there" ]; do there=$(dirname "$there"); done
  size=$(df --output=size "$there" | tail -n 1)
  if [ "$size" -gt "$largest" ]; then largest=$size chosen=$directory; fi
done
echo "$chosen"
