"""Texts of `ion` and of the planner behind it."""

from __future__ import annotations

TEXTS = {
    "help": ("Show, plan and change the BPU's memory pools.", "查看、规划和修改 BPU 的内存池。"),
    "about": (
        "The BPU's memory pools (ION): the physically contiguous memory that a model is loaded into. Their sizes "
        "stand in the board's device tree and hold from the next start on.\n\n"
        "`show` and `plan` need no root and change nothing; `apply` and `restore` need root on the real /boot.\n\n"
        "Example: {bpu} ion plan bpu_first",
        "BPU 的内存池（ION）：加载模型所用的物理连续内存。大小写在开发板的设备树里，下次启动后生效。\n\n"
        "`show` 和 `plan` 不需要 root，也不做任何改动；对真实的 /boot 执行 `apply` 和 `restore` 需要 root。\n\n"
        "示例：{bpu} ion plan bpu_first",
    ),
    "show": (
        "Show the memory map of the next start, as a picture. No root needed.\n\nExample: {bpu} ion show",
        "以图形显示下次启动时的内存布局。不需要 root。\n\n示例：{bpu} ion show",
    ),
    "plan": (
        "Plan pools and show the difference; it changes nothing and needs no root. REQUEST is a mode (bpu_first, "
        "bpu_large, balanced, cpu_first, default), sizes (NAME=SIZE), or a mode and sizes that replace its own.\n\n"
        "Example: {bpu} ion plan ion_carveout=2304M ion_cma=512M",
        "规划内存池并显示差异；不做任何改动，不需要 root。REQUEST 是模式（bpu_first、bpu_large、balanced、cpu_first、"
        "default）、"
        "大小（NAME=SIZE），或模式加上用来替换其中几项的大小。\n\n"
        "示例：{bpu} ion plan ion_carveout=2304M ion_cma=512M",
    ),
    "apply": (
        "Change the pools in the device tree, after a safe copy was made and you have agreed. Needs root on the real "
        "/boot. The result is read back and compared before it is put in place.\n\n"
        "Example: {sudo_bpu} ion apply bpu_first",
        "修改设备树里的内存池：先做安全备份，并经您同意。对真实的 /boot 需要 root。结果读回比对无误后才会生效。\n\n"
        "示例：{sudo_bpu} ion apply bpu_first",
    ),
    "restore": (
        "Bring the safe copy of the device tree back, byte by byte. Needs root on the real /boot.\n\n"
        "Example: {sudo_bpu} ion restore",
        "逐字节恢复设备树的安全备份。对真实的 /boot 需要 root。\n\n示例：{sudo_bpu} ion restore",
    ),
    "boot_dir": ("Folder of the boot files.", "启动文件所在的文件夹。"),
    "sysfs": (
        "Folder that holds proc/ and sys/, for another system than the running one.",
        "包含 proc/ 和 sys/ 的文件夹，用于查看并非当前运行的系统。",
    ),
    "yes": ("Agree beforehand, ask nothing.", "预先同意，不再询问。"),
    "vendor": (
        "Use the vendor's hb_switch_ion.sh, or never; without either it is offered where it is.",
        "使用厂商的 hb_switch_ion.sh，或者不使用；两者都不写时，若有该脚本则会询问。",
    ),
    "via": (
        "Change the boot loader's config.txt, or the device tree; auto takes config.txt where the image supports it.",
        "修改启动加载程序的 config.txt，或设备树；auto 在系统支持时使用 config.txt。",
    ),
    "no_config": (
        "{path} is not there, or not documented for this board ({model}): use --via tree.",
        "没有 {path}，或本开发板（{model}）的文档没有说明该方式：请使用 --via tree。",
    ),
    "config_too_large": (
        "{path} is larger than a file of the boot loader can be. Nothing was changed.",
        "{path} 超出了启动加载程序文件的大小。未做任何改动。",
    ),
    "config_differs": (
        "{path} does not read back as it was written. Copy {copy} over it before you restart.",
        "{path} 读回的内容与写入的不同。重启前请用 {copy} 覆盖它。",
    ),
    "config_sets": (
        "{path} sets: {sizes}. These win over the device tree: {total} in all, the largest {largest}.",
        "{path} 设置了：{sizes}。这些设置优先于设备树：共 {total}，最大的为 {largest}。",
    ),
    "config_free": (
        "{path} sets no pools; `apply` writes them there.",
        "{path} 没有设置内存池；`apply` 会写到那里。",
    ),
    "config_crlf": (
        "Lines of pools in {path} end in CR LF, as Windows writes them; the boot loader may misread their sizes. "
        "Applying the "
        "sizes again writes them anew.",
        "{path} 中内存池的行以 CR LF 结尾（Windows 格式），启动加载程序可能读错大小。重新执行 apply 会重写这些行。",
    ),
    "config_pending": (
        "The running system has other pools than that file says: restart the board. If they stay after a restart, the "
        "file is not read: verified boot (AVB) is on, the board has started from the other slot, or the image is too "
        "old. "
        "Use --via tree then.",
        "当前系统的内存池与该文件不同：请重启开发板。如果重启后仍不变，说明该文件没有被读取："
        "启用了校验启动（AVB）、从另一个分区槽启动，或系统版本过旧。此时请使用 --via tree。",
    ),
    "config_slot": (
        "It is the file of the slot that runs now (A or B): a system update may bring another one without these lines. "
        "With verified boot (AVB) it is not read.",
        "这是当前运行的分区槽（A 或 B）的文件：系统升级后可能换成没有这些行的另一个文件。"
        "启用校验启动（AVB）时不会读取它。",
    ),
    "config_title": ("Pools of {model} at the next start, by {path}", "{model} 下次启动时的内存池，由 {path} 设置"),
    "linux_keeps": ("  Linux keeps {left} of {ram}.", "  Linux 保留 {left}，共 {ram}。"),
    "ask_config": ("{path} will be changed. Type yes to go on", "将修改 {path}。输入 yes 继续"),
    "config_applied": (
        "Written and read back: {path}\n  SHA-256 {sha256}\nRestart the board to use it (sudo reboot), then look "
        "whether "
        "the pools have changed: ion show",
        "已写入并读回：{path}\n  SHA-256 {sha256}\n重启开发板后生效（sudo reboot），然后用 ion show "
        "查看内存池是否已改变",
    ),
    "config_way_back": (
        "The way back: sudo {command}. Without a screen: open the boot partition on another computer and copy {copy} "
        "over "
        "{path}.",
        "恢复方法：sudo {command}。没有屏幕时：在另一台电脑上打开启动分区，用 {copy} 覆盖 {path}。",
    ),
    "config_kept": (
        "Other lines of {path} were changed since; they were kept, and only the pools' lines went back.",
        "{path} 的其他行后来有改动；已保留这些改动，只恢复了内存池的行。",
    ),
    "both": (
        "Pools are set twice: by {config} and in {tree}. The boot loader lays {config} over the tree, so {config} "
        "wins. "
        "Keep one: ion restore --via tree, or ion restore --via config.",
        "内存池被设置了两次：{config} 和 {tree}。启动加载程序把 {config} 的设置覆盖到设备树上，因此以 {config} 为准。"
        "请只保留一个：ion restore --via tree 或 ion restore --via config。",
    ),
    "mode_too_small": (
        "{name} is too small for the served model, which needs {need}. Nothing was changed; choose a larger mode "
        "(ion show), or another model.",
        "{name} 放不下当前模型（需要 {need}）。未做任何改动；请选择更大的模式（ion show），或更换模型。",
    ),
    "pool_too_small": (
        "No pool of {name} holds the served model's largest buffer ({need}), and {mode} has one that does. Nothing was "
        "changed; take that mode, another model, or name the sizes.",
        "{name} 中没有能容纳当前模型最大缓冲区（{need}）的内存池，而 {mode} 有。"
        "未做任何改动；请使用该模式、更换模型或直接指定大小。",
    ),
    "no_such_mode": (
        "This board has no mode {name}; there are {modes}.",
        "本开发板没有模式 {name}；可用的有 {modes}。",
    ),
    "modes": ("Modes of this board:", "本开发板的模式："),
    "mode_row": (
        "  {name:<10} {total:>10}  {sizes}\n             {source}",
        "  {name:<10} {total:>10}  {sizes}\n             {source}",
    ),
    "source_vendor": ("the vendor's setting on delivery", "出厂设置"),
    "source_article": (
        "3.75 GiB in all as in the article; the division is ours, so that one pool holds a 1.5B model",
        "共 3.75 GiB，与教程一致；如何划分由本项目决定，使其中一个池能放下 1.5B 模型",
    ),
    "source_minicpm5": (
        "3.75 GiB each for two pools and 1 GiB: the vendor's lines for MiniCPM5-2B, verified there on S100 and "
        "S100P; also "
        "for 7B",
        "两个池各 3.75 GiB，另加 1 GiB：厂商为 MiniCPM5-2B 给出的设置，在 S100 和 S100P 上验证过；也用于 7B",
    ),
    "source_own": ("this project's choice: no public source names sizes", "本项目的选择：没有公开资料给出大小"),
    "source_measured": ("read on a board after the vendor's switch", "用厂商脚本切换后在开发板上读到的值"),
    "source_reported": ("as users of the board report it", "用户报告的值"),
    "title": ("Memory of {model} at the next start, from {path}", "{model} 下次启动时的内存布局，来自 {path}"),
    "legend": ("# pool of the BPU   = other use   . Linux", "# BPU 内存池   = 其他用途   . Linux"),
    "row_pool": ("{name} (heap {heap})", "{name}（堆 {heap}）"),
    "row_linux": ("Linux", "Linux"),
    "pools_total": ("Pools: {total} in all, the largest {largest}.", "内存池：共 {total}，最大的为 {largest}。"),
    "reboot_pending": (
        "The running system has other pools ({total} in all): restart the board to use these.",
        "当前运行的系统使用的是另一组内存池（共 {total}）：重启开发板后才会使用这里的设置。",
    ),
    "copy_there": ("A safe copy is there: {path}", "已有安全备份：{path}"),
    "total": ("  all pools: {before} -> {after}", "  全部内存池：{before} -> {after}"),
    "no_change": ("The pools have these sizes already; there is nothing to do.", "内存池已符合要求，无需改动。"),
    "planned": (
        "This is a plan; nothing was changed. To carry it out: {command}",
        "这只是规划，未做任何改动。执行：{command}",
    ),
    "model_too_large": (
        "The model file ({size}) is larger than the largest of these pools ({largest}); it may not load.",
        "模型文件（{size}）大于其中最大的内存池（{largest}），可能无法加载。",
    ),
    "offer_vendor": (
        "The vendor's own switch is on this board: {path} {mode}. Use it instead",
        "本开发板上有厂商自带的切换脚本：{path} {mode}。改用它吗",
    ),
    "vendor_modes_only": (
        "The vendor's switch is not on this system, or does not know this request: it takes a mode and no sizes. "
        "Leave --vendor out.",
        "本系统上没有厂商的切换脚本，或它不支持此要求：它只接受模式，不接受大小。请去掉 --vendor。",
    ),
    "vendor_done": (
        "The vendor's switch has changed the device tree. Restart the board: sudo reboot",
        "厂商的脚本已修改设备树。请重启开发板：sudo reboot",
    ),
    "vendor_failed": ("The vendor's switch failed: {reason}", "厂商的切换脚本失败：{reason}"),
    "ask": (
        "{path} will be changed. If it went wrong the board might not start. Type yes to go on",
        "将修改 {path}。万一出错，开发板可能无法启动。输入 yes 继续",
    ),
    "ask_restore": (
        "{path} will be replaced by its safe copy. Type yes to go on",
        "将用安全备份替换 {path}。输入 yes 继续",
    ),
    "left": ("Nothing was changed.", "未做任何改动。"),
    "needs_root": (
        "Changing {path} needs root. Run: {command}",
        "修改 {path} 需要 root。请运行：{command}",
    ),
    "copy_made": ("Safe copy made and verified: {path}", "已创建并校验安全备份：{path}"),
    "copy_kept": ("The safe copy was there already and is sound: {path}", "安全备份此前已存在且完好：{path}"),
    "applied": (
        "Written, read back and compared: {path}\n  SHA-256 {sha256}\nRestart the board to use it: sudo reboot",
        "已写入、读回并比对：{path}\n  SHA-256 {sha256}\n重启开发板后生效：sudo reboot",
    ),
    "restored": (
        "The safe copy is back in place: {path}\n  SHA-256 {sha256}\nRestart the board to use it: sudo reboot",
        "已恢复安全备份：{path}\n  SHA-256 {sha256}\n重启开发板后生效：sudo reboot",
    ),
    "way_back": (
        "If the screen stays black after the restart:\n"
        "  1. Try over the network first: the screen alone may be missing. Then: {command}\n"
        "  2. If the board is not to be reached, open its boot partition on another computer (card reader, or the "
        "vendor's flashing mode) and copy {copy} over {tree}.\n"
        "  3. On a serial console, U-Boot's command line can load {copy} in the place of {tree} for one start.",
        "如果重启后屏幕没有显示：\n"
        "  1. 先试网络连接：可能只是屏幕没有输出。然后运行：{command}\n"
        "  2. 如果连不上开发板，在另一台电脑上打开它的启动分区（读卡器，或厂商的烧录模式），用 {copy} 覆盖 {tree}。\n"
        "  3. 通过串口，可在 U-Boot 命令行中用 {copy} 代替 {tree} 启动一次。",
    ),
    "not_a_tree": ("The file is not a device tree that can be read: {reason}.", "该文件不是可读取的设备树：{reason}。"),
    "no_live_tree": (
        "This system was not started with a device tree ({path} is missing).",
        "本系统不是用设备树启动的（没有 {path}）。",
    ),
    "no_reserved_memory": (
        "The device tree reserves no memory, so it is not one of a board with ION pools.",
        "设备树没有保留内存，因此不属于带 ION 内存池的开发板。",
    ),
    "translated": (
        "The device tree describes its reserved memory with translated addresses, which cannot be planned safely.",
        "设备树用转换地址描述保留内存，无法安全规划。",
    ),
    "pool_without_reg": (
        "The pool {node} does not have exactly one address and size, so it cannot be planned safely.",
        "内存池 {node} 不是恰好一组地址和大小，无法安全规划。",
    ),
    "unreadable": ("The device tree {path} cannot be read: {reason}.", "无法读取设备树 {path}：{reason}。"),
    "no_ram": ("The device tree {path} does not say where RAM is.", "设备树 {path} 没有说明 RAM 的位置。"),
    "no_pools": ("The device tree {path} holds no ION pool.", "设备树 {path} 中没有 ION 内存池。"),
    "no_boot_config": (
        "The boot menu {path} cannot be read: {reason}. Name the folder of the boot files with --boot-dir.",
        "无法读取启动菜单 {path}：{reason}。请用 --boot-dir 指定启动文件所在的文件夹。",
    ),
    "no_tree_named": ("The boot menu {path} names no device tree.", "启动菜单 {path} 没有指定设备树。"),
    "overlays": (
        "The boot menu {path} lays overlays over the device tree ({overlays}), which could move the pools again. "
        "Take them out, or change the pools with the vendor's tools.",
        "启动菜单 {path} 使用了设备树叠加层（{overlays}），可能再次移动内存池。请去掉它们，或使用厂商的工具。",
    ),
    "no_tree_file": (
        "The boot menu names the device tree {path}, which is not there.",
        "启动菜单指定的设备树 {path} 不存在。",
    ),
    "unknown_board": (
        "No sizes of modes are known for this board ({model}). Give sizes of your own: ion_carveout=2304M",
        "不知道本开发板（{model}）各模式的大小。请自行给出大小，例如 ion_carveout=2304M",
    ),
    "no_such_pool": ("There is no pool {name}. This board has: {names}.", "没有内存池 {name}。本开发板有：{names}。"),
    "unaligned_size": (
        "The size of {name} ({size}) must be a multiple of {alignment} and more than nothing.",
        "{name} 的大小（{size}）必须大于零，且是 {alignment} 的整数倍。",
    ),
    "no_linux_room": (
        "Pools of {total} would leave Linux {left}, less than the {needed} that it needs. Request less.",
        "内存池共 {total}，只给 Linux 留下 {left}，少于所需的 {needed}。请减小大小。",
    ),
    "no_room": (
        "There is no place for pools of {total}: the largest free range of memory is {largest}. Request less.",
        "放不下共 {total} 的内存池：最大的连续空闲内存为 {largest}。请减小大小。",
    ),
    "bad_size": (
        "{text!r} is not a size. Write it as 2304M, 3.75G or 0x90000000.",
        "{text!r} 不是大小。请写成 2304M、3.75G 或 0x90000000。",
    ),
    "bad_request": (
        "{word!r} is neither a mode ({modes}) nor a size like ion_carveout=2304M.",
        "{word!r} 既不是模式（{modes}），也不是形如 ion_carveout=2304M 的大小。",
    ),
    "fault_outside": ("{name} is not inside RAM.", "{name} 不在 RAM 之内。"),
    "fault_overlap": ("{name} overlaps {other}.", "{name} 与 {other} 重叠。"),
    "no_copy": (
        "There is no safe copy ({path}), so nothing can be brought back.",
        "没有安全备份（{path}），无法恢复。",
    ),
    "copy_damaged": (
        "The safe copy {path} does not have the checksum noted in {note}. Nothing was changed; find out which of "
        "the two is wrong before you go on.",
        "安全备份 {path} 与 {note} 中记录的校验和不符。未做任何改动；请先查明哪个文件有误。",
    ),
    "copy_differs": (
        "The safe copy {path} does not read back as it was written. Nothing was changed; check the medium.",
        "安全备份 {path} 读回的内容与写入的不同。未做任何改动；请检查存储介质。",
    ),
    "written_differs": (
        "{path} does not read back as it was written. Bring the safe copy back before you restart: {bpu} ion restore",
        "{path} 读回的内容与写入的不同。重启前请恢复安全备份：{bpu} ion restore",
    ),
    "unplanned_change": (
        "The new device tree would differ in more, or less, than what was planned ({places}). Nothing was changed.",
        "新的设备树与规划不符（{places}）。未做任何改动。",
    ),
    "bad_result": (
        "The new device tree would not be sound: {faults} Nothing was changed.",
        "新的设备树有问题：{faults}未做任何改动。",
    ),
    "tool_failed": ("{program} failed: {reason}. Nothing was changed.", "{program} 失败：{reason}。未做任何改动。"),
    "file_failed": (
        "A file could not be written or read ({reason}). The device tree is as it was before, or whole and new.",
        "文件读写失败（{reason}）。设备树要么保持原样，要么是完整的新文件。",
    ),
}
