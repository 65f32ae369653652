"""Texts of `pull`."""

from __future__ import annotations

TEXTS = {
    "help": ("Download a model of the catalogue and add it to the table.", "下载模型清单中的模型并写入模型表。"),
    "about": (
        "Download the model ID of the catalogue (`models available` lists them), check it, unpack it, write its entry "
        "into the table of models, and examine it. A download that was cut goes on where it ended. Needs no root "
        "where the "
        "data folder may be written.\n\nExample: {bpu} pull minicpm5-2b-s100",
        "下载模型清单中编号为 ID 的模型（`models available` 列出全部），校验、解压、写入模型表并检查。"
        "中断的下载会从断点继续。"
        "数据目录可写时不需要 root。\n\n示例：{bpu} pull minicpm5-2b-s100",
    ),
    "to": ("Folder for the model's files.", "存放模型文件的文件夹。"),
    "runtime_dir": ("The SDK's runtime folder for this model.", "该模型所用 SDK 的 runtime 目录。"),
    "unchecked": (
        "Also take files that no checksum is published for.",
        "没有公布校验和的文件也接受。",
    ),
    "sysfs": (
        "Folder that holds proc/ and sys/, for another system than the running one.",
        "包含 proc/ 和 sys/ 的文件夹，用于查看并非当前运行的系统。",
    ),
    "unknown": (
        "There is no model {id} in the catalogue; {bpu} models available --all lists them.",
        "模型清单中没有 {id}；{bpu} models available --all 可列出全部。",
    ),
    "offline": (
        "BPU_MODEL_OFFLINE is set, so nothing is downloaded. Unset it, or copy the files by hand and run: "
        "{bpu} models add",
        "已设置 BPU_MODEL_OFFLINE，因此不下载任何内容。请取消设置，或手动复制文件后运行：{bpu} models add",
    ),
    "not_pulled": (
        "{id} is not downloaded: {why}. (Source: {source}.) Get its files yourself, then: {bpu} models add",
        "不下载 {id}：{why}。（来源：{source}。）请自行获取文件，然后运行：{bpu} models add",
    ),
    "why_guessed_address": (
        "its address is built from a pattern and was seen in no source",
        "其网址由规律推测，没有资料给出",
    ),
    "why_guessed_name": ("the name of one of its files was seen in no source", "其中一个文件的名称没有资料给出"),
    "why_no_address": (
        "its file's name and address are not public (see resolve_model_nash-p.md in the SDK)",
        "其文件名和网址没有公开（见 SDK 中的 resolve_model_nash-p.md）",
    ),
    "why_no_console": ("no console of its SDK answers text with it", "其 SDK 中没有用它回答文本的控制台"),
    "why_own_server": (
        "it runs in the vendor's gemma4_server, which has its own API",
        "它在厂商的 gemma4_server 中运行，有自己的 API",
    ),
    "why_second_sdk": ("it needs OELLM 2.x, which has its own server", "它需要自带服务器的 OELLM 2.x"),
    "note_own_program": (
        "The vendor runs it with a program of its own, always taking the likeliest word; a console's sampling is fixed "
        "otherwise, and its answers may be worse.",
        "厂商用自己的程序运行它，始终取最可能的词；控制台的采样方式固定且不同，回答可能较差。",
    ),
    "other_board": (
        "{id} is made for {boards}, and this board is an {board}: it cannot run here.",
        "{id} 适用于 {boards}，而本开发板是 {board}：无法在此运行。",
    ),
    "taken": (
        "The table has a model {id} already. Take it out first, or name another: {bpu} models",
        "模型表中已有模型 {id}。请先删除，或改用其他名称：{bpu} models",
    ),
    "begin": (
        "{name}, {size}, licence {licence}, into {folder}\n  Source: {source}\n  Checked by us: no",
        "{name}，{size}，许可 {licence}，保存到 {folder}\n  来源：{source}\n  由本项目验证：否",
    ),
    "unknown_size": ("size not published", "大小未公布"),
    "file": ("{name}  {done} of {total}  {rate}/s", "{name}  {done}，共 {total}  {rate}/s"),
    "check": ("{name}: checking what is there", "{name}：正在校验已有文件"),
    "unpack": ("{name}: unpacked {done}", "{name}：已解压 {done}"),
    "done": ("Complete: {path}", "已完成：{path}"),
    "proof_sha256": (
        "Its SHA-256 is the one in the catalogue.",
        "其 SHA-256 与模型清单中的一致。",
    ),
    "proof_md5": (
        "Its MD5 agrees with the vendor's list, which comes from the same server: that proves the transfer alone.",
        "其 MD5 与厂商的列表一致，但列表来自同一台服务器：这只能证明传输无误。",
    ),
    "proof_none": ("No checksum is published: nothing was checked.", "没有公布校验和：未做任何校验。"),
    "entry": ("Entry {id} written to {path}.", "已把条目 {id} 写入 {path}。"),
    "default": (
        'The default is still {id}; `default = "{other}"` in that file changes it.',
        '默认模型仍为 {id}；在该文件中写 `default = "{other}"` 可更改。',
    ),
    "examined": ("What the board says about it:", "开发板检查结果："),
    "failed": (
        "The download failed: {reason}. Run the same command again: it goes on where it ended.",
        "下载失败：{reason}。请再次运行同一命令：会从断点继续。",
    ),
    "bad_archive": (
        "{name} was not unpacked, because {reason}. Nothing of it was kept.",
        "未解压 {name}：{reason}。没有保留其中任何内容。",
    ),
    "disk": ("Writing to {folder} failed: {reason}.", "写入 {folder} 失败：{reason}。"),
    "wrong_size": (
        "{name} has {found} bytes, and its source names {wanted}. It was deleted.",
        "{name} 有 {found} 字节，而资料给出的是 {wanted}。已将其删除。",
    ),
    "busy": (
        "Another process downloads into {folder} at this moment. Wait for it, or name another folder with --to.",
        "另一个进程正在向 {folder} 下载。请等待它完成，或用 --to 指定其他文件夹。",
    ),
    "no_space": (
        "{folder} needs {needed} more, and {free} can be used. Make room, or name another folder with --to.",
        "{folder} 还需要 {needed}，而可用空间为 {free}。请清理空间，或用 --to 指定其他文件夹。",
    ),
    "no_checksum": (
        "No checksum of {name} could be had. Try again later, or take it unchecked: --unchecked",
        "无法获得 {name} 的校验和。请稍后再试，或加 --unchecked 不校验直接接受。",
    ),
    "no_model_inside": ("The archive does not hold {name}.", "压缩包中没有 {name}。"),
}
