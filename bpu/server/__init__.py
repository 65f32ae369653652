"""What runs under gunicorn: the worker class, the client's socket, and the request that warms a worker up."""
