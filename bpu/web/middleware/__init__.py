"""Middleware that every request passes before its view: paths, access, and CORS headers."""
