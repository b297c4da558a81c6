"""The process that is the rehearsal cloud: up and down, its server, and how others reach it."""
