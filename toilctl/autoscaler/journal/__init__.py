"""What the autoscaler wrote down: a line per tick, read back as costs, windows of time and timelines.

``writer`` writes on the leader; ``report`` has a tick as it is written and shown; ``reader`` reads ticks back,
anywhere, for the rest. Of the autoscaler, only ``model`` is imported here.
"""
