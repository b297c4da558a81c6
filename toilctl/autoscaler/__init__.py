"""The autoscaler: a pure core that decides, and a thin shell that observes and executes, on the leader."""
