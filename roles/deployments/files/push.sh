# Copies the virtualenvs of deployments to a worker, and prints what that changed there:
#   push DIRECTORY LOGIN KEY KNOWN_HOSTS HOST_KEY_ALIAS NAME...
set -euo pipefail
directory=$1 login=$2 key=$3 known_hosts=$4 alias=$5
shift 5
umask 077
mkdir -p "${known_hosts%/*}"
umask 022
cd "$directory"
shell="ssh -i $key -o IdentitiesOnly=yes -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15"
shell+=" -o HostKeyAlias=$alias -o UserKnownHostsFile=$known_hosts -o GlobalKnownHostsFile=/dev/null"
shell+=" -o StrictHostKeyChecking=accept-new -o UpdateHostKeys=no -o HashKnownHosts=no -o LogLevel=ERROR"

copy() {
  rsync --archive --relative --no-implied-dirs --out-format=%n --rsh="$shell" \
    --rsync-path="sudo -n mkdir -p $directory && sudo -n rsync" "$@" "$login:$directory/"
}

# First what links will lead to, then the links, and then nothing is left that no link leads to.
copy -- "${@/%//venvs}"
copy --delete -- "${@/%//venvs}" "${@/%//venv}"
