"""The parts that know gunicorn: the worker classes and the client's socket.

They run in gunicorn's workers.
"""
