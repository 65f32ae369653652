"""Holds the views, one module for each API or part of one.

They run in the greenlet of a request and hold no state.
"""
