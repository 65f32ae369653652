"""What went wrong with a console, for the terminal.

One text for each cause that its logs can show.
"""

from __future__ import annotations

TEXTS = {
    "missing_library": (
        "A shared library was not found. Set BPU_RUNTIME_DIR to the SDK's runtime folder, whose lib/ holds it.",
        "找不到共享库。请把 BPU_RUNTIME_DIR 设为 SDK 的 runtime 目录，库在其 lib/ 中。",
    ),
    "wrong_machine": (
        "The console program is made for another processor. Run it on the board, or set BPU_ENGINE=simulator.",
        "控制台程序属于另一种处理器。请在开发板上运行，或设置 BPU_ENGINE=simulator。",
    ),
    "not_executable": (
        "The console program may not be executed. Make it executable with chmod +x, or correct BPU_CONSOLE.",
        "控制台程序不可执行。请用 chmod +x 加上执行权限，或更正 BPU_CONSOLE。",
    ),
    "missing_program": (
        "A program was not found. Correct BPU_RUNTIME_DIR and BPU_CONSOLE, or install what is missing.",
        "找不到程序。请更正 BPU_RUNTIME_DIR 和 BPU_CONSOLE，或安装缺少的程序。",
    ),
    "bad_launcher": (
        "setpriv or stdbuf does not know an option. Install a newer util-linux and coreutils.",
        "setpriv 或 stdbuf 不认识某个选项。请安装更新的 util-linux 和 coreutils。",
    ),
    "model_type": (
        "The console refuses the model type. Set BPU_MODEL_TYPE to this SDK's number for the model's family.",
        "控制台拒绝该模型类型。请把 BPU_MODEL_TYPE 设为此 SDK 对应该模型系列的编号。",
    ),
    "missing_model": (
        "The console did not accept the model file. Check BPU_HBM_PATH and BPU_MODEL_TYPE.",
        "控制台不接受该模型文件。请检查 BPU_HBM_PATH 和 BPU_MODEL_TYPE。",
    ),
    "bad_option": (
        "The console does not know an option that it was given. Check BPU_CONSOLE_PROFILE and BPU_CONSOLE_ARGS.",
        "控制台不认识某个选项。请检查 BPU_CONSOLE_PROFILE 和 BPU_CONSOLE_ARGS。",
    ),
    "template_unreadable": (
        "A file could not be opened. Check BPU_TEMPLATE_PATH, BPU_TOKENIZER_DIR and BPU_HBM_PATH.",
        "无法打开文件。请检查 BPU_TEMPLATE_PATH、BPU_TOKENIZER_DIR 和 BPU_HBM_PATH。",
    ),
    "memory_ran_out": (
        "The BPU ran out of contiguous memory while it answered. Free it with `{sudo_bpu} reclaim`, or enlarge it with "
        "`{sudo_bpu} ion apply bpu_first` and a restart.",
        "回答过程中 BPU 的连续内存耗尽。请用 `{sudo_bpu} reclaim` 释放，"
        "或用 `{sudo_bpu} ion apply bpu_first` 扩大后重启。",
    ),
    "no_bpu_memory": (
        "The BPU has no contiguous memory for the model. Free it with `{sudo_bpu} reclaim`, or enlarge it "
        "with `{sudo_bpu} ion apply bpu_first` and a restart.",
        "BPU 没有足够的连续内存加载模型。请用 `{sudo_bpu} reclaim` 释放，"
        "或用 `{sudo_bpu} ion apply bpu_first` 扩大后重启。",
    ),
    "no_main_memory": (
        "The console was refused main memory. Raise BPU_CONSOLE_MEMORY_MB if it is set, or stop other programs.",
        "控制台申请内存被拒绝。如果设置了 BPU_CONSOLE_MEMORY_MB，请调大，或停止其他程序。",
    ),
    "run_error": (
        "A turn failed (`run error`). A shorter question may pass; if it comes back, memory is the usual cause.",
        "一次回答失败（`run error`）。缩短问题可能有用；若再次出现，通常是内存不足。",
    ),
    "bad_model": (
        "The model file cannot be read as a model by this SDK. Check that it was copied whole and fits board and SDK.",
        "此 SDK 无法读取该模型文件。请检查是否完整复制，以及是否适合本开发板和 SDK。",
    ),
    "bad_gguf": (
        "llama.cpp could not load the model: the file is damaged or of an unknown kind, or memory is short. "
        "Copy it again, or name another in BPU_GGUF.",
        "llama.cpp 无法加载模型：文件损坏或类型未知，或者内存不足。请重新复制，或在 BPU_GGUF 中指定其他文件。",
    ),
    "load_failed": (
        "The console could not load the model. Check the paths and BPU_MODEL_TYPE.",
        "控制台无法加载模型。请检查各路径和 BPU_MODEL_TYPE。",
    ),
    "overflow": (
        "The conversation outgrew the model's context. Shorten it, or lower BPU_CONTEXT_SIZE to the model's.",
        "对话超出了模型的上下文。请缩短对话，或把 BPU_CONTEXT_SIZE 降到模型的大小。",
    ),
    "prefill_failed": (
        "The prompt could not be read in: it is too long, or BPU memory is short.",
        "无法读入提示词：提示词太长，或 BPU 内存不足。",
    ),
    "killed": (
        "The console was killed, by a person or because the system ran out of memory. See dmesg.",
        "控制台被强制终止：可能是人为，也可能是系统内存不足。请查看 dmesg。",
    ),
    "crashed": ("The console crashed.", "控制台崩溃。"),
}
