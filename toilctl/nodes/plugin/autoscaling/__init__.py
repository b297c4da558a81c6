"""Toil's own options of autoscaling, handed over to the cluster's autoscaler."""
