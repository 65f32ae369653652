#!/bin/sh
# model.sh FOLDER [offer]: installs llama.cpp and a small model (requirements-cpu.txt) into the virtual environment
# FOLDER. With `offer`, as `make run` calls it, it never fails and never asks twice: it does nothing on a board, where
# another engine was asked for, or where it has failed before. Nothing is ever compiled.
set -eu

folder=$1
offer=${2:-}
file=requirements-cpu.txt
model=${BOARD_MODEL:-/proc/device-tree/model}
stamp=$folder/installed-$file
failed=$folder/failed-$file
wanted=$("$folder/bin/python" --version; cat "$file")

[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && exit 0

if [ -n "$offer" ]; then
    case ${BPU_ENGINE:-auto} in auto | cpu) ;; *) exit 0 ;; esac
    # The same paths that keep BPU_ENGINE=auto from anything but the SDK's console.
    [ -z "${BPU_RUNTIME_DIR:-}${BPU_CONSOLE:-}${BPU_HBM_PATH:-}${BPU_TOKENIZER_DIR:-}${BPU_TEMPLATE_PATH:-}" ] || exit 0
    grep -qiE 'd-robotics|rdk' "$model" 2>/dev/null && exit 0
    [ -f "$failed" ] && [ "$(cat "$failed")" = "$wanted" ] && exit 0
fi

set -- -m pip install --disable-pip-version-check --no-deps --only-binary=:all: -r "$file"
# `make wheels` serves boards, so a folder of wheels may lack these two; then the network is not tried either.
[ -n "$(find wheels -name '*.whl' 2>/dev/null)" ] && set -- "$@" --no-index --find-links wheels
# A download that was not requested ends after a minute without a byte.
[ -z "$offer" ] || set -- "$@" --timeout 60 --retries 0

printf '%s\n' "Installing a small language model for this computer's processor: 127 MB, once (BPU_ENGINE=simulator skips it)" \
              "正在安装在本机处理器上运行的小模型：127 MB，只装一次（BPU_ENGINE=simulator 可跳过）"
if "$folder/bin/python" "$@"; then
    printf '%s\n' "$wanted" >"$stamp"
    rm -f "$failed"
    exit 0
fi
printf '%s\n' "The model could not be installed (see above). The simulator answers instead; try again with: make model" \
              "无法安装模型（见上文），将由模拟器回答；稍后可运行：make model" >&2
[ -n "$offer" ] || exit 1
printf '%s\n' "$wanted" >"$failed"
