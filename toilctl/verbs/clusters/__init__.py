"""The life of a cluster: launch, list, describe, scale, autoscale, destroy."""
