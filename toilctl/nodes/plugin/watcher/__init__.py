"""The watcher on Mesos: it follows workflows that do not publish their jobs, by their message bus and job store."""
