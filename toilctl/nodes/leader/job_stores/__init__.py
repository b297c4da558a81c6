"""Job stores, looked at from the leader, with the Toil of whoever made them."""
