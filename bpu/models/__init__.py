"""The models of a board: table, files, SDKs, catalogue, download; and models in GGUF files.

It is pure but for files and, only in `download`, the network. It starts no program and does not know the engine.
"""
