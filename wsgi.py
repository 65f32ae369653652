"""The WSGI module that gunicorn imports in each worker. It patches first, so that no call blocks the worker."""

from __future__ import annotations

from gevent import monkey

if not monkey.is_module_patched("socket"):
    monkey.patch_all()

from app import create_app
from bpu.settings import load_settings

app = create_app(load_settings())
