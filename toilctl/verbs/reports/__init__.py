"""What a cluster says of itself: why the autoscaler did what it did, what a run cost, what happened when."""
