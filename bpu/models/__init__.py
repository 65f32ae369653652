"""The models of a board: the table `models.toml`, what files and SDKs tell of a model, the catalogue, the download.

Pure but for files and, in `download` alone, the network. Nothing here starts a program or knows the engine.
"""
