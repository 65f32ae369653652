"""Texts of `models`, and of mistakes in the table of models."""

from __future__ import annotations

TEXTS = {
    "help": ("List the models of this board, and add some.", "列出本开发板的模型，并添加模型。"),
    "about": (
        "The models of this board: what the table `models.toml` (or the settings) names, and whether each can run "
        "here. Needs no root, except to write /etc/bpu/models.toml.\n\nExample: {bpu} models",
        "本开发板的模型：模型表 `models.toml`（或设置）中的模型，以及每个能否在此运行。"
        "不需要 root，写入 /etc/bpu/models.toml 时除外。\n\n示例：{bpu} models",
    ),
    "list": (
        "List the models of the table, and whether each can run here.\n\nExample: {bpu} models list",
        "列出模型表中的模型，以及每个能否在此运行。\n\n示例：{bpu} models list",
    ),
    "add": (
        "Write an entry for the model in FOLDER into the table: by its files' names, what lies beside them, and the "
        "SDK found there or named by --runtime-dir.\n\n"
        "Example: {bpu} models add /data/models/minicpm5-2b --id minicpm5",
        "把 FOLDER 中的模型写入模型表：根据文件名、旁边的文件，以及在那里找到的或用 --runtime-dir 指定的 SDK。"
        "\n\n示例：{bpu} models add /data/models/minicpm5-2b --id minicpm5",
    ),
    "available": (
        "List the catalogue's models for this board. It asks no network.\n\nExample: {bpu} models available",
        "列出模型清单中适用于本开发板的模型。不访问网络。\n\n示例：{bpu} models available",
    ),
    "json": ("Print JSON for programs.", "输出供程序使用的 JSON。"),
    "all": ("Also what other boards run.", "也列出其他开发板的模型。"),
    "id": ("Name that clients see; by default the file's name.", "客户端看到的名称；默认取自文件名。"),
    "runtime_dir": ("The SDK's runtime folder.", "SDK 的 runtime 目录。"),
    "dry_run": ("Print the entry, write nothing.", "只显示条目，不写入。"),
    "sysfs": (
        "Folder that holds proc/ and sys/, for another system than the running one.",
        "包含 proc/ 和 sys/ 的文件夹，用于查看并非当前运行的系统。",
    ),
    "added": ("Entry {id} written to {path}.", "已把条目 {id} 写入 {path}。"),
    "reload": (
        "A running gateway serves it after a new start, the service also after: sudo systemctl reload bpu-gateway",
        "正在运行的网关重新启动后才会提供该模型；服务也可执行：sudo systemctl reload bpu-gateway",
    ),
    "default_is": (
        'The default is still {id}; `default = "{other}"` in {path} changes it.',
        '默认模型仍为 {id}；在 {path} 中写 `default = "{other}"` 可更改。',
    ),
    "one_model": (
        "{folder} must hold exactly one language model (.hbm), and holds {count}: {names}.",
        "{folder} 中必须正好有一个语言模型（.hbm），现有 {count} 个：{names}。",
    ),
    "no_utf8": (
        "{path} is not UTF-8, which a table must be: rename it.",
        "{path} 不是 UTF-8，而模型表必须是 UTF-8：请重命名。",
    ),
    "not_written": ("{path} cannot be written: {reason}.", "无法写入 {path}：{reason}。"),
    "table": ("Models of {path} (* is the default):", "{path} 中的模型（* 为默认）："),
    "no_table": (
        "There is no table of models; the settings describe one model:",
        "没有模型表；设置描述的唯一模型：",
    ),
    "one_at_a_time": (
        "One model is in memory at a time: the gateway loads the one that a request names.",
        "内存中同时只有一个模型：网关按请求加载所指定的模型。",
    ),
    "loaded": ("loaded", "已加载"),
    "on_cpu": ("runs on this computer's processor, not on a BPU", "在这台电脑的处理器上运行，不使用 BPU"),
    "simulated": (
        "no console is installed here: the simulator answers, which is no model",
        "本机没有安装控制台程序：由模拟器回答，它不是模型",
    ),
    "files_missing": ("files are missing:", "缺少文件："),
    "for_board": ("Models that public sources name for the {board}:", "公开资料中适用于 {board} 的模型："),
    "none_for_board": (
        "No model of this list runs on the {board}: no console program for its BPU is known. A small model on its "
        "processor: docs/cpu.md. The models of other boards: --all.",
        "此列表中没有能在 {board} 上运行的模型：没有已知的、适用于其 BPU 的控制台程序。"
        "可在其处理器上运行小模型：docs/cpu.zh-CN.md。其他开发板的模型：--all。",
    ),
    "no_board": (
        "This machine is no board that is known, so all models are listed:",
        "这台机器不是已知的开发板，因此列出全部模型：",
    ),
    "row": (
        "{id} {size:>8}  context {context:>4}  {speed:>5} tok/s  {boards}  SDK {sdk}  {licence}\n    {pull}",
        "{id} {size:>8}  上下文 {context:>4}  {speed:>5} tok/s  {boards}  SDK {sdk}  {licence}\n    {pull}",
    ),
    "of_weights": (" (of the weights)", "（指权重）"),
    "licence_unknown": ("licence: see the model's page", "许可：见模型页面"),
    "can_pull": ("can be pulled", "可以下载"),
    "cannot_pull": ("listed only: {why}", "仅列出：{why}"),
    "catalogue_note": (
        "None of these was run by this project; speeds and sizes are those of the sources named in docs/models.md.",
        "本项目没有运行过其中任何一个；速度和大小来自 docs/models.zh-CN.md 所列的资料。",
    ),
    # Mistakes in the table.
    "wrong": ("The table of models {path} cannot be used:", "模型表 {path} 无法使用："),
    "mistake": ("{path}:{line}: {words}", "{path}:{line}: {words}"),
    "not_reloaded": (
        "The table of models was not reloaded; the gateway keeps the one it has.",
        "没有重新加载模型表；网关继续使用原来的表。",
    ),
    "not_toml": (
        "The table of models {path} is not TOML (line {line}): {reason}. Correct that line.",
        "模型表 {path} 不是 TOML（第 {line} 行）：{reason}。请改正该行。",
    ),
    "no_file": (
        "BPU_MODELS_FILE: {path} is not there. Make it ({bpu} models add), or unset BPU_MODELS_FILE.",
        "BPU_MODELS_FILE：没有 {path}。请创建它（{bpu} models add），或取消设置 BPU_MODELS_FILE。",
    ),
    "no_entry": ("there is no [[model]]; write at least one.", "没有 [[model]]；请至少写一个。"),
    "too_many": ("there are more than {most} models.", "模型多于 {most} 个。"),
    "unknown_key": ("there is no key `{key}`; there are {keys}.", "没有键 `{key}`；可用的键：{keys}。"),
    "missing_key": ("`{key}` is missing.", "缺少 `{key}`。"),
    "wrong_value": ("`{key}` {rule} (it is {value}).", "`{key}` {rule}（现在是 {value}）。"),
    "needs_vision": (
        "`{key}` is for models with `vision = true` and the console `vlm`.",
        "`{key}` 只用于 `vision = true` 且控制台为 `vlm` 的模型。",
    ),
    "vision_needs_vlm": (
        "`vision` needs the console `vlm`, and this one is `{profile}`.",
        "`vision` 需要控制台 `vlm`，而此处为 `{profile}`。",
    ),
    "not_a_language_model": (
        "{name} is not a language model; name the file with `language` or the context in its name.",
        "{name} 不是语言模型；请指定名称中带 `language` 或上下文长度的文件。",
    ),
    "taken_name": ("the name `{name}` is taken already.", "名称 `{name}` 已被使用。"),
    "no_such_default": (
        "`default` is no model's id ({name!r}); there are {ids}.",
        "`default` 不是任何模型的 id（{name!r}）；可用的有 {ids}。",
    ),
    # Rules for values; the keys are pydantic's names of errors.
    "one_name": ("must be one word that can be printed", "必须是一个可打印的词"),
    "no_nul": ("must not hold a NUL", "不能包含 NUL"),
    "no_home": ("names a user whose home is not known", "指定了主目录未知的用户"),
    "greater_than_equal": ("must be at least {ge}", "必须至少为 {ge}"),
    "less_than_equal": ("must be at most {le}", "必须不大于 {le}"),
    "not_empty": ("must not be empty", "不能为空"),
    "variable": ("must be names of variables", "必须是变量名"),
    "json_values": (
        "must hold text, numbers, booleans, arrays and tables alone",
        "只能包含文本、数字、布尔值、数组和表",
    ),
    "string_type": ("must be text in quotation marks", "必须是带引号的文本"),
    "int_type": ("must be a whole number", "必须是整数"),
    "float_type": ("must be a number", "必须是数字"),
    "bool_type": ("must be true or false", "必须是 true 或 false"),
    "tuple_type": ("must be an array", "必须是数组"),
    "dict_type": ("must be a table", "必须是表"),
    "model_type": ("must be a table", "必须是表"),
    # What a model cannot do here.
    "second_sdk": (
        "{folder} is an OELLM 2.x SDK, which has its own server (examples/serving_demo): its models and programs are "
        "not started by this gateway. Name an SDK 1.x or 0.9.",
        "{folder} 是 OELLM 2.x SDK，它自带服务器（examples/serving_demo）：本网关不启动它的模型和程序。"
        "请指定 SDK 1.x 或 0.9。",
    ),
    "wrong_board": (
        "{name} is made for the {made_for}, and this board is an {board}: it cannot run here.",
        "{name} 是为 {made_for} 编译的，而本开发板是 {board}：无法在此运行。",
    ),
    "no_context": (
        "Nothing says how many tokens of context {name} has: set `context` in its entry, or BPU_CONTEXT_SIZE.",
        "没有任何信息说明 {name} 的上下文长度：请在其条目中设置 `context`，或设置 BPU_CONTEXT_SIZE。",
    ),
    "refused_type": (
        "`{console}` refuses model type {number} ({name}) or cannot chat with it{hint}.",
        "`{console}` 不接受模型类型 {number}（{name}），或无法用它对话{hint}。",
    ),
    "use_console": ("; use {console}", "；请使用 {console}"),
    "no_console": ("No console runs {name}: {why}.", "没有控制台能运行 {name}：{why}。"),
    "no_template": (
        "{name} has no chat template: set `template` in its entry, or BPU_TEMPLATE_PATH.",
        "{name} 没有对话模板：请在其条目中设置 `template`，或设置 BPU_TEMPLATE_PATH。",
    ),
    "unknown_vision": (
        "{name} is no image model that is known: give all keys of its configuration in the entry's `vlm` table.",
        "不认识图像模型 {name}：请在条目的 `vlm` 表中给出其配置的全部键。",
    ),
    "missing_part": (
        "The {part} of {name} is not there: set `{key}` in its entry.",
        "缺少 {name} 的 {part}：请在其条目中设置 `{key}`。",
    ),
    "missing_file": ("{path} is not there (`{key}`).", "没有 {path}（`{key}`）。"),
}
