#!/bin/sh
# mount.sh SOURCE PATH TYPE OPTIONS TIMEOUT_S WAITS: SOURCE is at PATH now and after every boot. Says what it did, if
# anything. Where WAITS is true, another mount at PATH stays, for jobs use it, and it says that.
set -eu
source=$1 path=$2 type=$3 options=$4 timeout_s=$5 waits=${6:-false}
# A look at the mount itself would wait for a server that is away.
is_mounted() { awk -v path="$path" '$5 == path { found = 1 } END { exit !found }' /proc/self/mountinfo; }

ours="\|^[^#]* $path .*,x-toilctl |"
entry="$source $path $type $options,x-toilctl 0 0"
if ! grep -qxF "$entry" /etc/fstab; then
  if is_mounted; then
    if [ -z "$(sed -n "${ours}p" /etc/fstab)" ]; then
      echo "Something else is mounted at $path, and not by toilctl." >&2
      exit 1
    fi
    if [ "$waits" = true ]; then
      echo "waits"
      exit
    fi
    # Of another leader, which may be gone.
    umount --force --lazy "$path"
  fi
  sed -i "${ours}d" /etc/fstab
  echo "$entry" >> /etc/fstab
  if [ "$type" != none ]; then
    # A shutdown must not wait for a server that has gone before.
    unit=/etc/systemd/system/$(systemd-escape --path --suffix=mount "$path").d
    mkdir -p "$unit"
    printf '[Mount]\nLazyUnmount=yes\nForceUnmount=yes\n' > "$unit/toilctl.conf"
  fi
  systemctl daemon-reload
  echo "entered $source"
fi
if is_mounted; then exit; fi

mkdir -p "$path"
# Hidden by the mount: where it can be seen, the appliance starts no engine.
echo "$source is not mounted here." > "$path/.not-mounted"
if [ "$type" = none ]; then mkdir -p "$source"; else options=retry=0; fi
deadline=$(($(date +%s) + timeout_s))
until failed=$(timeout --signal=KILL "$timeout_s" mount -o "$options" "$path" 2>&1); do
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "$failed" >&2
    exit 1
  fi
  sleep 1
done
echo "mounted $source"
