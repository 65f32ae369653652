"""Finds the project's files outside the package.

They are at the root of a checkout, or in `bpu/_project` where it is installed.
"""

from __future__ import annotations

from pathlib import Path

#: The folder from which `import bpu` works.
IMPORT_ROOT = Path(__file__).resolve().parents[1]
_BUNDLED = Path(__file__).resolve().with_name("_project")
#: True in an installed package, whose wheel contains those files.
INSTALLED = _BUNDLED.is_dir()
#: Holds `app.py`, `wsgi.py`, `gunicorn.conf.py` and `deploy/`.
PROJECT = _BUNDLED if INSTALLED else IMPORT_ROOT
