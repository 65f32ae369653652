"""A session of the real OpenClaw, set up by `bpu connect openclaw --write`; by hand, `make openclaw`."""
