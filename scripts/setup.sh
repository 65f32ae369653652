#!/bin/sh
# setup.sh FOLDER REQUIREMENTS: makes the virtual environment FOLDER where a sound one is missing, and installs
# REQUIREMENTS into it when their text has changed since the last time. A lock names every package, so nothing else is
# installed with it. A folder ./wheels replaces the network, unless
# its wheels are for another machine, as on the PC that has made them for a board.
set -eu

folder=$1
requirements=$2
python=${PYTHON:-python3}

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

make_environment() {
    command -v "$python" >/dev/null 2>&1 ||
        fail "Python was not found (looked for '$python'). Install it: sudo apt install python3 python3-venv" \
             "没有找到 Python（'$python'）。请安装：sudo apt install python3 python3-venv"
    version=$("$python" --version 2>&1)
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "'$python' is $version, but Python 3.10 or later is needed. Name one, as in: make run PYTHON=python3.12" \
             "需要 Python 3.10 或更高版本，而 '$python' 是 $version。请指定，例如：make run PYTHON=python3.12"
    printf '%s\n' "Making the virtual environment $folder ($version)" "正在创建虚拟环境 $folder（$version）"
    rm -rf "$folder"
    "$python" -m venv "$folder" >/dev/null 2>&1 && return
    # Debian and Ubuntu leave venv's other half out of python3; virtualenv, where it is installed, does the same.
    rm -rf "$folder"
    "$python" -m virtualenv --quiet "$folder" >/dev/null 2>&1 && return
    rm -rf "$folder"
    # make wheels lays pip down, too, and a wheel of pip can be run as it is.
    for pip in wheels/pip-*.whl; do
        [ -f "$pip" ] && "$python" -m venv --without-pip "$folder" >/dev/null 2>&1 &&
            "$folder/bin/python" "$pip/pip" install --quiet --no-index --find-links wheels pip && return
    done
    rm -rf "$folder"
    fail "The virtual environment could not be made: python3-venv is missing. Install it: sudo apt install python3-venv" \
         "无法创建虚拟环境：缺少 python3-venv。请安装：sudo apt install python3-venv"
}

wheels_fit() {
    [ -n "$(find wheels -name '*.whl' 2>/dev/null)" ] || return 1
    built=$(find wheels -name '*.whl' ! -name '*-any.whl')
    [ -z "$built" ] || printf '%s\n' "$built" | grep -q "_$(uname -m)\.whl\$"
}

install_requirements() {
    set -- -m pip install --disable-pip-version-check -r "$requirements"
    case $requirements in *.lock) set -- "$@" --no-deps ;; esac
    if wheels_fit; then
        printf '%s\n' "Installing $requirements from ./wheels, without the network" \
                      "正在从 ./wheels 安装 $requirements，不使用网络"
        "$folder/bin/python" "$@" --no-index --find-links wheels && return
        fail "What is needed is not in ./wheels. Make it anew with make wheels, or remove it to install from the network." \
             "./wheels 中缺少需要的软件包。请重新运行 make wheels，或删除 ./wheels 以便联网安装。"
    fi
    printf '%s\n' "Installing $requirements; the first time this takes a minute or two" \
                  "正在安装 $requirements；第一次需要一两分钟"
    "$folder/bin/python" "$@" && return
    fail "pip could not install $requirements (see above). Without internet, make ./wheels elsewhere: make wheels" \
         "pip 无法安装 $requirements（见上文）。没有网络时，可在别的电脑上运行 make wheels 得到 ./wheels。"
}

# An environment whose Python has gone, as after an upgrade of the system, cannot run even pip; one that came along when
# the project was copied from a PC to a board holds programs for the PC, and the PC's paths.
here="$(uname -m) $(pwd -P)"
if [ "$(cat "$folder/made-for" 2>/dev/null)" != "$here" ] || ! "$folder/bin/python" -c 'import pip' 2>/dev/null; then
    make_environment
    printf '%s\n' "$here" >"$folder/made-for"
fi

# The command line from any folder; the project itself is not installed.
cat >"$folder/bin/bpu" <<'SCRIPT'
#!/bin/sh
''':'
exec "$(dirname "$(readlink -f "$0")")/python" "$(readlink -f "$0")" "$@"
'''
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[2])

from bpu.__main__ import run

run()
SCRIPT
chmod +x "$folder/bin/bpu"

stamp=$folder/installed-$(basename "$requirements")
wanted=$("$folder/bin/python" --version; cat "$requirements"; case $requirements in *.txt) cat requirements.txt ;; esac)
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    install_requirements
    printf '%s\n' "$wanted" >"$stamp"
fi
