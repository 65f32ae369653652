"""Creates `app` from the environment; gunicorn imports it in each worker. Applies gevent's patches first."""

from __future__ import annotations

from gevent import monkey

if not monkey.is_module_patched("socket"):
    monkey.patch_all()

from app import create_app
from bpu.settings import load_settings

app = create_app(load_settings())
