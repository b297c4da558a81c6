"""What Prometheus is told of the autoscaler: definitions of all metrics, and the port that serves them."""
