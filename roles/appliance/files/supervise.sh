# Process 1 of the appliance's container: keeps each service (an argument, a shell command) running.
# Bash also reaps the processes that users leave behind.
set -u -m

keep() {
  while :; do
    bash -c "$1" || true
    echo "supervise: '${1%% *}' ended; it is started again" >&2
    sleep 2
  done
}

stop() {
  trap - TERM INT
  # With job control each service leads its own process group.
  for group in $(jobs -p); do kill -TERM -- "-$group"; done
  wait
  exit 0
}

# The directory comes from the host, made by Docker.
chmod 1777 /tmp
trap stop TERM INT
for service in "$@"; do keep "$service" & done
wait
