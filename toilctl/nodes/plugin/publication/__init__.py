"""What workflows publish of themselves on the leader: their jobs, their run, their trace."""
