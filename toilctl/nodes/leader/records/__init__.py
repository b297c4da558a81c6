"""What is known of runs: their files, attempts, processes, and how far their jobs are.

Everything else of the leader's program reads it; nothing here starts or ends anything.
"""
