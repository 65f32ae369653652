"""The models of a board: their table, files and SDKs, the catalogue, and the download; and models in GGUF files.

Pure but for files and, in `download` alone, the network. Nothing here starts a program or knows the engine.
"""
