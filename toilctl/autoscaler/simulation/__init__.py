"""What decisions would have done: a trace of jobs, a made-up cloud and engine, and a clock that jumps.

``simulate`` runs the real ``decide`` against them. Pure and reproducible: the same trace, policy and seed give the same
result on any machine.
"""
