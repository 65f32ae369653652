"""The shell around the console: one process, one lock, one queue. One operating-system thing per module."""
