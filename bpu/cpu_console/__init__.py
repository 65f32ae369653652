"""A console program for the computer's own processor.

`xlm_demo`'s protocol around a GGUF model that llama.cpp runs. It is a program like the SDK's, started and driven as
those are, and imports nothing of the gateway.
"""
