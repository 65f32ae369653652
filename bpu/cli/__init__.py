"""`python -m bpu`: click commands, one module a group."""
