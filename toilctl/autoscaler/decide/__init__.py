"""What is to be done now: a snapshot and the policy become a plan. Pure, and the same for every cloud and engine.

``decide`` is the door, and runs once per tick: ``demand`` says what waits, ``workers`` what there is, ``supply`` what
can be had; ``scale_out``, ``spot_fallback``, ``interruptions`` and ``scale_in`` say what to launch and what to end,
within ``budget``; the ``explain_*`` modules say why, and ``model.reasons`` where each reason is given. Nothing here
reads a clock, a file or a network.
"""
