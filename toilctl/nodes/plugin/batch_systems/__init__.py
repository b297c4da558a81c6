"""Toil's batch systems with what a cluster of toilctl's adds to them."""
