"""Names the folders of the files beside the package: in a checkout its root, in an installed package `bpu/_project`."""

from __future__ import annotations

from pathlib import Path

#: The folder from which `import bpu` works.
IMPORT_ROOT = Path(__file__).resolve().parents[1]
_BUNDLED = Path(__file__).resolve().with_name("_project")
#: True in an installed package, whose wheel brings those files along.
INSTALLED = _BUNDLED.is_dir()
#: Holds `app.py`, `wsgi.py`, `gunicorn.conf.py` and `deploy/`.
PROJECT = _BUNDLED if INSTALLED else IMPORT_ROOT
