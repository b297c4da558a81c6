#!/bin/sh
# swap.sh FILE MIB BELOW_MIB: swap in FILE if this machine has less than BELOW_MIB of memory and no swap. Says what it
# did in one line that begins with "made", "refused" or "kept".
set -eu
file=$1 mib=$2 below=$3
value() { awk -v name="$1:" '$1 == name {print int($2 / 1024)}' /proc/meminfo; }

memory=$(value MemTotal) swap=$(value SwapTotal)
if [ "$memory" -ge "$below" ] || [ "$swap" -gt 0 ]; then
    echo "kept: $memory MiB of memory, $swap MiB of swap"
    exit
fi
umask 077
if ! said=$({ fallocate -l "${mib}MiB" "$file" && mkswap "$file" && swapon "$file"; } 2>&1); then
    rm -f "$file"
    echo "refused: $memory MiB of memory and no swap, for none can be made here: $(echo "$said" | tail -n 1)"
    exit
fi
grep -q "^$file " /etc/fstab || echo "$file none swap sw,nofail 0 0" >> /etc/fstab
echo "made: $mib MiB of swap beside $memory MiB of memory"
