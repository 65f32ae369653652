"""A session of the real OpenClaw, set up by `bpu connect openclaw --write`; `make openclaw`."""
