"""Texts of `bpu update`."""

from __future__ import annotations

TEXTS = {
    "help": ("Say how to update, and whether there is a newer version.", "说明如何更新，以及是否有新版本。"),
    "about": (
        "Say how this installation is updated. It changes nothing, and contacts no other machine without --check. "
        "Needs no root.\n\nExample: {bpu} update --check",
        "说明如何更新当前安装。不做任何改动；不加 --check 时不访问其他机器。不需要 root。\n\n"
        "示例：{bpu} update --check",
    ),
    "check": ("Ask BPU_UPDATE_URL for the newest version.", "向 BPU_UPDATE_URL 查询最新版本。"),
    "is_newest": ("{version} is the newest version.", "{version} 已是最新版本。"),
    "newer": ("There is version {version}; this is {current}.", "有新版本 {version}；当前为 {current}。"),
    "by_deb": (
        "Update: sudo apt install ./rdk-bpu-gateway_VERSION_ARCH.deb (running answers end first; settings and models "
        "stay). Remove: sudo apt remove rdk-bpu-gateway; with settings, findings and models: sudo apt purge "
        "rdk-bpu-gateway",
        "更新：sudo apt install ./rdk-bpu-gateway_版本_架构.deb（先等正在进行的回答结束；设置和模型会保留）。"
        "删除：sudo apt remove rdk-bpu-gateway；连同设置、结论和模型：sudo apt purge rdk-bpu-gateway",
    ),
    "by_package": (
        "Update: pipx install --force with the newer wheel, rdk_bpu_gateway-VERSION-py3-none-any.whl (or uv tool "
        "install --force, pip install), then {sudo_bpu} service install if it is a service. Remove: {sudo_bpu} service "
        "remove, then pipx uninstall rdk-bpu-gateway (or uv tool uninstall, pip uninstall)",
        "更新：用新的 wheel 运行 pipx install --force rdk_bpu_gateway-版本-py3-none-any.whl（或 uv tool "
        "install --force、pip install），如已安装服务再运行 {sudo_bpu} service install。"
        "删除：{sudo_bpu} service remove，再 pipx uninstall rdk-bpu-gateway（或 uv tool uninstall、pip uninstall）",
    ),
    "by_clone": (
        "Update: cd {project} && git pull && make setup, then {sudo_bpu} service install if it is a service. Remove: "
        "{sudo_bpu} service remove, then delete {project}",
        "更新：cd {project} && git pull && make setup，如已安装服务再运行 {sudo_bpu} service install。"
        "删除：{sudo_bpu} service remove，再删除 {project}",
    ),
    "no_url": (
        "BPU_UPDATE_URL is not set, so no address is asked. It names a JSON file with a field `version`.",
        "未设置 BPU_UPDATE_URL，因此不会查询任何地址。它应指向含 `version` 字段的 JSON 文件。",
    ),
    "unreachable": (
        "The address of BPU_UPDATE_URL does not answer: {reason}.",
        "BPU_UPDATE_URL 的地址没有响应：{reason}。",
    ),
    "unreadable": (
        "BPU_UPDATE_URL does not name a version ({reason}).",
        "无法从 BPU_UPDATE_URL 得到版本号（{reason}）。",
    ),
}
