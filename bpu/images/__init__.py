"""Fetches and decodes images of requests outside the worker.

They are brought to the model's size and kept as files. `reader` runs a process of its own for each request with images
(`process`): `fetch` reads an address, `decode` checks and decodes the bytes with Pillow. A process, because some of
Pillow's decoders hold the interpreter's lock for up to half a second, which would delay the tokens of all other
answers, and because limits of memory and time then hold whatever a hostile file does. `store` keeps the results as
files for the console.
"""
