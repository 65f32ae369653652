#!/bin/sh
# import_wheels.sh PACKAGE PYTHON...: installs the wheels of a Debian package for this processor into an environment of
# each PYTHON, as the package's own installation does, and imports every module of them.
set -eu

package=$(readlink -f "$1")
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-deb -x "$package" "$folder"
home=$folder/usr/lib/rdk-bpu-gateway
cd "$folder"

for python in "$@"; do
    rm -rf env
    "$python" -m venv --without-pip env
    env/bin/python "$(echo "$home"/wheels/pip-*.whl)/pip" --isolated install --quiet --no-index --no-deps \
        --disable-pip-version-check --root-user-action=ignore --find-links "$home/wheels" \
        --requirement "$home/requirements.lock" rdk-bpu-gateway
    env/bin/python - <<'CODE'
import importlib
import pkgutil
import sys
from importlib import metadata

import bpu

#: Modules that are parts of a program, not to be imported by themselves.
PARTS = ("__main__",)
names = {file.parts[0].removesuffix(".py") for one in metadata.distributions() for file in one.files or ()
         if len(file.parts) <= 2 and file.suffix == ".py" and file.parts[0].removesuffix(".py").isidentifier()}
names |= {module.name for module in pkgutil.walk_packages(bpu.__path__, "bpu.") if not module.name.endswith(PARTS)}
for name in sorted(names):
    importlib.import_module(name)
print(f"Python {sys.version.split()[0]}: {len(names)} modules imported")
CODE
    env/bin/bpu --version
done
