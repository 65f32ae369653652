"""The views, one module for each API or part of one. They hold no state."""
