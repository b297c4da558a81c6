"""Pictures of jobs, nodes and cost over time, of a cluster or of a simulation.

``picture`` has what a chart shows, as values; ``draw`` makes a file of it with matplotlib, imported there alone.
"""
