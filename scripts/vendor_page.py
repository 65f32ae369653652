"""Take the page's libraries from npm into `bpu/web/static/vendor`: `make vendor-page` (needs npm and the network).

The files are those of the published packages. The one change is an export at the end of a file that is not a module.
The versions are fixed below; npm itself compares each package with the hash in its registry, and `libraries.json`
records the hashes of what is served, which a test compares.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[1] / "bpu/web/static/vendor"
LANGUAGES = (
    *("bash", "c", "cmake", "cpp", "css", "diff", "dockerfile", "go", "ini", "java", "javascript", "json"),
    *("makefile", "python", "rust", "sql", "xml", "yaml"),
)


@dataclass(frozen=True)
class Library:
    """One package of npm: `files` maps a file of the package to its name here.

    `export` makes a script a module.
    """

    package: str
    version: str
    licence: str
    files: dict[str, str]
    export: str = ""


LIBRARIES = (
    Library("marked", "18.2.1", "MIT", {"lib/marked.esm.js": "marked.js", "LICENSE": "marked.LICENSE"}),
    Library(
        *("temml", "0.13.5", "MIT", {"dist/temml.min.js": "temml.js", "LICENSE": "temml.LICENSE"}),
        export="export default temml;\n",
    ),
    Library(
        *("@highlightjs/cdn-assets", "11.12.0", "BSD-3-Clause"),
        {
            "es/core.min.js": "highlight.js",
            "LICENSE": "highlight.LICENSE",
            **{f"es/languages/{name}.min.js": f"highlight/{name}.js" for name in LANGUAGES},
        },
    ),
)


def main() -> None:
    VENDOR.mkdir(exist_ok=True)
    (VENDOR / "highlight").mkdir(exist_ok=True)
    record = [take(library) for library in LIBRARIES]
    (VENDOR / "libraries.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def take(library: Library) -> dict[str, object]:
    """Write the files of `library`, and return its record."""
    hashes = {}
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{library.package}@{library.version}"]
        name = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(Path(folder) / name) as archive:
            for source, target in library.files.items():
                file = archive.extractfile(f"package/{source}")
                assert file is not None, source
                data = file.read()
                if target.endswith(".js"):
                    data = without_map(data) + library.export.encode()
                (VENDOR / target).write_bytes(data)
                hashes[target] = hashlib.sha256(data).hexdigest()
    return {"package": library.package, "version": library.version, "licence": library.licence, "files": hashes}


def without_map(data: bytes) -> bytes:
    """Remove the comment that names a source map.

    No map is served, and browsers would request it.
    """
    lines = [line for line in data.splitlines(keepends=True) if not line.startswith(b"//# sourceMappingURL")]
    text = b"".join(lines)
    return text if text.endswith(b"\n") else text + b"\n"


if __name__ == "__main__":
    main()
