"""The views, one module for each API or part of one, run in the greenlet of a request. They hold no state."""
