"""The watch on spot instances and on the leader: a program for workers, one for leaders, a file each."""
