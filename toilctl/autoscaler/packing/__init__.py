"""How few, how cheap nodes hold some jobs: bin packing with three resources, many node types, limits and quotas.

``pack.pack`` is the door for new nodes, ``pack.fill`` the one for nodes that are there. How new nodes are chosen:

1. A *pattern* (``patterns``) is jobs that fit beside each other on one node of one type. What is wanted is how many
   nodes of which patterns, at the lowest price, so that every group of like jobs is covered.
2. In fractions of nodes that is a linear program with a row for each group and each limit (``master_program``, a
   revised simplex). It has far too many patterns to list, so it begins with few, and learns what one more job of each
   group is worth: the program's duals.
3. A pattern whose jobs are worth more than its node costs makes the mixture cheaper. The most valuable one of a node
   type is a knapsack problem (``knapsack``): solved with split jobs first, by a simplex of three rows with bounds, then
   searched near that for whole ones. ``column_generation`` asks type by type until no pattern gains anything (Gilmore
   and Gomory, "A linear programming approach to the cutting-stock problem", 1961).
4. Whole nodes (``whole_nodes``): the mixture is rounded down in three ways, and ``greedy_cover`` covers the rest node
   by node, several times, each time with values corrected by what the last cover paid. The cheapest cover is taken.
5. More groups than the exact way can price in time are put together in classes of like ones for steps 2 and 3.

The effort is bounded by counts, never by a clock, so the same input gives the same nodes in each process. Two simplexes
are two problems: the master's rows grow with the groups, and its columns come one by one; the knapsack always has three
rows, all columns at once, and bounds on each, and is solved some thousand times per decision.

Pure: of the autoscaler, only ``model`` is imported here.
"""
