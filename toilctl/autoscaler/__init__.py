"""The autoscaler: a pure core that decides, and a shell around it that looks and acts, on the leader.

Who may touch the world. ``service``, ``observe``, ``execute`` and ``metrics`` ask AWS, the engine and Toil's plugin,
run playbooks, and serve a port. ``memory`` and ``journal`` keep files and facts for them. ``decide``, ``packing``,
``simulation`` and ``model`` get values and return values: no clock, no file, no network, so that the same input gives
the same plan in a test, in a simulation and on a leader. The import contracts in pyproject.toml hold them to that.

One tick (``service.loop``)::

    1  the settings are read anew; a file that cannot be read leaves those of before
    2  what playbooks told since the last tick goes into the memory
    3  limits that workflows ask for are put beside the cluster's own
    4  a second autoscaler, a cluster being destroyed, or odd answers of AWS end the tick here (``service.guard``)
    5  EC2 says which nodes exist, the engine which have joined and what runs and waits (``observe``)
    6  all of it becomes one snapshot (``model.snapshot``)
    7  snapshot, policy and time become a plan (``decide``)
    8  the plan is begun: nodes are drained and taken back at once, playbooks launch and end others (``execute``)
    9  the tick is written down as one line (``journal``), and shown to Prometheus (``metrics``)
    10 it waits for the interval, for EC2's next notice, or for new settings, whichever comes first

Where each question is answered:

=====================================================  =================================================
How many nodes do waiting jobs need at the same time?  ``decide.demand``
Which node types may run a job?                        ``decide.eligibility``
What can be had now: limits, quota, refusals, prices?  ``decide.supply``
Which mix of nodes is cheapest?                        ``packing``
What is launched, and which draining node taken back?  ``decide.scale_out``
What replaces spot nodes that cannot be had?           ``decide.spot_fallback``
Which jobs does a node that EC2 takes away give back?  ``decide.interruptions``
What replaces such a node?                             ``decide.scale_out``, since those jobs wait again
What goes, which first, and what is spared?            ``decide.scale_in``
What goes, since spot is to be had again?              ``decide.spot_fallback``
What does it cost, and may it?                         ``decide.budget``
Why does this job wait?                                ``decide.explain_jobs``
Why is this node still there?                          ``decide.explain_nodes``
Is a node booting, busy, late or lost?                 ``model.phases``
How does a plan become EC2 calls?                      ``execute.playbooks``, then playbooks/scale_out.yml
Which settings are there, and what may they be?        ``toilctl.values.tuning``
Which numbers of nodes may there be?                   ``toilctl.values.scaling_policy``
=====================================================  =================================================
"""
