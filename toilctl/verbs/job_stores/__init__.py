"""Job stores: what is in them, what is wrong with them, and how they are removed."""
