# Process 1 of the appliance's container: keeps each service (an argument, a shell command) running.
# Bash also reaps the processes that users leave behind.
set -u -m

keep() {
  local ending=
  trap ending=yes TERM
  while [ -z "$ending" ]; do
    bash -c "$1" &
    # A signal ends wait, not the service: the controller still saves its state.
    while kill -0 "$!" 2>/dev/null; do wait "$!"; done
    [ -n "$ending" ] && break
    echo "supervise: '${1%% *}' ended; it is started again" >&2
    sleep 2 &
    wait "$!"
  done
}

stop() {
  trap - TERM INT
  # With job control each service is a process group of its own.
  for group in $(jobs -p); do kill -TERM -- "-$group"; done
  wait
  exit 0
}

# Login shells, such as tmux starts, set a PATH of their own.
printf 'PATH=%q\nexport PATH\n' "$PATH" > /etc/profile.d/toilctl.sh
# Toil finds toilctl's plugin also for whoever sets a PYTHONPATH of their own, and in virtualenvs that see what is installed.
[ -z "${PYTHONPATH:-}" ] || for python in python3 /usr/bin/python3; do
  "$python" -c 'import os, sysconfig
with open(os.path.join(sysconfig.get_path("purelib"), "toilctl-plugin.pth"), "w") as out:
    print(os.environ["PYTHONPATH"], file=out)'
done
# The directory comes from the host, made by Docker.
chmod 1777 /tmp
trap stop TERM INT
# A job must not find an empty directory where the shared file system is to be; role shared_storage leaves the file below.
while [ -e "${TOILCTL_SHARED:-}/.not-mounted" ]; do
  echo "supervise: $TOILCTL_SHARED is not mounted on this host yet" >&2
  sleep 5
done
for service in "$@"; do keep "$service" & done
wait
