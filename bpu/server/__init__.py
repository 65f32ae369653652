"""What runs under gunicorn: the worker classes and the client's socket."""
