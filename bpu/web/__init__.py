"""The HTTP interface: Flask routes and middleware around the pure chat core.

It runs in gunicorn's workers.
"""
