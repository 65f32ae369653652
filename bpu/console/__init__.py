"""Bytes to events and back, for every console program known. Pure: no process, no clock, no file.

Standard library only: the engine's keeper runs this package without site-packages.
"""
