"""The table of models: what it takes, what it completes, and every mistake at once with its line."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from bpu import trusted_files
from bpu.errors import SettingsError
from bpu.models.lines import line_of, lines
from bpu.models.readiness import missing_files, refusals
from bpu.models.spec import as_settings, from_settings
from bpu.models.table import ModelTable, load_table, read_table, table_file
from bpu.settings import Settings, load_settings
from tests.support import sdks

PATH = Path("/somewhere/models.toml")


def read(text: str, **settings: object) -> ModelTable:
    return read_table(text, Settings(**settings), PATH)  # type: ignore[arg-type]


def outcome(text: str) -> ModelTable | str:
    """The table, or the words of its refusal."""
    try:
        return read(text)
    except SettingsError as error:
        return error.message


def refused(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(text)
    return [line.strip().removeprefix(f"{PATH}:") for line in caught.value.message.splitlines()[1:]]


ALL_KEYS = """\
default = "b"

[[model]]
id = "a"
aliases = ["a1", "a2"]
profile = "vlm"
runtime_dir = "/sdk"
console = "examples/vlm_demo/vlm"
hbm = "/m/Qwen3-VL-2B-Instruct_language_chunk_512_cache_1024_w4_nash-p_corenum_4_4.hbm"
tokenizer_dir = "configs/x"
template = "t.jinja"
model_type = 11
args = ["-x", "1 2"]
env = { HB_X = "1", EMPTY = "" }
context = 1000
thinking = "none"
vision = true
vit = "v.hbm"
embeddings = "/e.bin"
memory_mb = 3700
preload = false
idle_unload_s = 60
line_limit = 0
[model.vlm]
embed_dim = 2048

[[model]]
id = "b"
"""


def test_every_key_is_taken() -> None:
    table = read(ALL_KEYS)
    one, other = table.models
    assert table.default_model is other
    assert (one.names, one.profile, one.model_type, one.context) == (("a", "a1", "a2"), "vlm", 11, 1000)
    assert one.runtime_dir == Path("/sdk")
    assert one.console == Path("/sdk/examples/vlm_demo/vlm")
    assert (one.tokenizer_dir, one.template) == (Path("/sdk/configs/x"), Path("/sdk/t.jinja"))
    assert (one.args, dict(one.env)) == (("-x", "1 2"), {"HB_X": "1", "EMPTY": ""})
    assert (one.vit, one.embeddings, dict(one.vlm)) == (Path("/m/v.hbm"), Path("/e.bin"), {"embed_dim": 2048})
    assert (one.memory_mb, one.preload, one.idle_unload_s, one.line_limit) == (3700, False, 60.0, 0)
    assert (one.thinking, one.vision, one.line) == ("none", True, 3)


def test_what_is_left_out_comes_from_its_setting_or_the_name_of_the_file() -> None:
    text = '[[model]]\nid = "m"\nhbm = "/x/Qwen3-4B_language_chunk_512_cache_2048_w4_nash-p_corenum_2_2.hbm"\n'
    [model] = read(text).models
    assert (model.context, model.cores, model.thinking) == (2048, 2, "model")
    settings = {"context_size": 1024, "model_type": 5, "preload": False, "idle_unload_s": 9, "line_limit": 77}
    # Settings of another model's file do not count where this one's name tells.
    [model] = read(text, **settings).models
    assert (model.context, model.preload, model.idle_unload_s, model.line_limit) == (2048, False, 9, 77)
    assert model.model_type != 5
    [model] = read('[[model]]\nid = "m"\nhbm = "/x/mine.hbm"\n', **settings).models
    assert (model.context, model.model_type) == (1024, 5)
    [model] = read('[[model]]\nid = "m"\n', **settings).models
    assert (model.context, model.model_type) == (1024, 5)


def test_settings_of_one_model_do_not_spoil_an_entry_of_another(tmp_path: Path) -> None:
    """As on a board that has run one model by settings, and gets another by its own entry."""
    old = tmp_path / "old" / "runtime"
    sdks.program(old / "bin" / "xlm_demo", "xlm_demo")
    r1 = sdks.tokenizer(old / "config" / "r1")
    (r1 / "r1.jinja").write_text("{{ messages[0].content }}")
    new, hbm = sdks.s100(tmp_path), sdks.minicpm5(tmp_path)
    settings = {
        "runtime_dir": old, "hbm_path": "r1.hbm", "tokenizer_dir": r1, "template_path": r1 / "r1.jinja",
        "model_type": 3, "context_size": 1024,
    }  # fmt: skip
    text = f'[[model]]\nid = "old"\n[[model]]\nid = "new"\nruntime_dir = "{new}"\nhbm = "{hbm}"\n'
    for more in ({}, {"console": "bin/xlm_demo"}):
        one, other = read(text, **settings, **more).models
        assert (one.console, one.tokenizer_dir, one.model_type, one.context) == (old / "bin/xlm_demo", r1, 3, 1024)
        assert (other.profile, other.console.parent.parent) == ("oellm_multichat", new / "example")
        assert (other.tokenizer_dir, other.model_type, other.context) == (hbm.parent / "tokenizer", 1, 4096)
        assert other.template == hbm.parent / "tokenizer" / "simple-chat.jinja"


def test_a_program_that_is_nowhere_is_named_where_it_should_be(tmp_path: Path) -> None:
    text = f'[[model]]\nid = "m"\nruntime_dir = "{tmp_path}"\nprofile = "llm"\n'
    [model] = read(text).models
    assert (model.console, model.profile) == (tmp_path / "bin" / "llm", "llm")
    assert str(model.console) in missing_files(model)[0]


def test_the_settings_alone_are_a_table_of_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bpu.models.table.SYSTEM_FILE", tmp_path / "etc" / "models.toml")
    settings = Settings(model_id="mine", hbm_path="/m/x_1024.hbm", data_dir=tmp_path / "bpu")
    table = load_table(settings)
    assert (table.path, table.default, len(table.models)) == (None, "mine", 1)
    [one] = table.models
    assert (one.id, one.context, one.model_type, one.profile) == ("mine", 1024, 3, "xlm_demo")
    assert as_settings(one, settings) == settings
    # The data folder's table is found, the system's comes first.
    data = tmp_path / "bpu" / "models.toml"
    data.parent.mkdir()
    data.write_text('[[model]]\nid = "x"\n')
    assert table_file(settings) == data
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "models.toml").write_text('[[model]]\nid = "y"\n')
    assert load_table(settings).default == "y"


def test_a_console_tokenizer_and_template_are_found_in_the_sdk(tmp_path: Path) -> None:
    runtime = sdks.s600(tmp_path)
    hbm = sdks.model(tmp_path / "Qwen3-4B_language_chunk_512_cache_4096_w4_nash-p_corenum_4_4.hbm")
    one = from_settings(Settings(runtime_dir=runtime, hbm_path=hbm))
    assert (one.console, one.profile) == (runtime / "examples/llm_demo/llm", "llm")
    assert one.tokenizer_dir == runtime / "configs/Qwen3_config"
    assert one.template == one.tokenizer_dir / "tokenizer_config.json"
    assert one.libraries == runtime / "lib"


#: The vendor's list for its SDKs: file, console, folder of the tokenizer, type; then its reason if none can run it.
VENDOR = [
    ("DeepSeek_R1_Distill_Qwen_1.5B_4096.hbm", "oellm_multichat", f"{sdks.R1}_config", 1, ""),
    ("DeepSeek_R1_Distill_Qwen_7B_1024.hbm", "oellm_multichat", f"{sdks.R1}_config", 1, ""),
    ("Qwen2.5_1.5B_Instruct_1024.hbm", "oellm_multichat", "Qwen2.5_1.5B_Instruct_config", 7, ""),
    ("Qwen2.5_7B_Instruct_1024.hbm", "oellm_multichat", "Qwen2.5_1.5B_Instruct_config", 7, ""),
    ("Qwen2.5_1.5B_1024.hbm", "oellm_multichat", "Qwen2.5_1.5B_Instruct_config", 7, ""),
    ("InternLM2_1.8B_1024.hbm", "oellm_run", "InternLM2_1.8B_config", 4, ""),
    ("InternVL2_2B_1024.hbm", "oellm_multichat", "InternVL2_2B_config", 0, "cannot chat with it"),
    ("Llama3_8B_1024.hbm", "oellm_multichat", "Llama3_8B_config", 3, "cannot chat with it"),
    ("Qwen2.5_Omni_3B_Text.hbm", "oellm_multichat", "Qwen2.5_1.5B_Instruct_config", 7, "No console runs"),
]


@pytest.mark.parametrize(("name", "console", "tokenizer", "number", "why"), VENDOR)
def test_each_model_of_the_s100s_sdk_gets_its_console_tokenizer_and_type(
    tmp_path: Path, name: str, console: str, tokenizer: str, number: int, why: str
) -> None:
    runtime = sdks.s100(tmp_path)
    hbm = sdks.model(runtime / "model" / name)
    [model] = read(f'[[model]]\nid = "m"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\n').models
    assert (model.profile, model.tokenizer_dir.name, model.model_type) == (console, tokenizer, number)
    said = " ".join(refusals(model, "S100"))
    assert why in said
    assert bool(said) == bool(why), said
    # A tokenizer that is nowhere is named where it should be, and another family's is never used in its place.
    assert model.tokenizer_dir.is_dir() or str(model.tokenizer_dir) in " ".join(missing_files(model))


def test_a_file_of_the_second_sdk_generation_is_refused_beside_a_console_of_the_first(tmp_path: Path) -> None:
    runtime = sdks.s600(tmp_path)
    hbm = sdks.model(tmp_path / "m" / "MiniCPM5-2B_language_chunk_256_cache_4096_w8_nash-p_corenum_4_4.hbm")
    [model] = read(f'[[model]]\nid = "m"\nruntime_dir = "{runtime}"\nhbm = "{hbm}"\n').models
    assert "OELLM 2.x" in " ".join(refusals(model, "S600"))
    assert str(runtime / "configs" / "MiniCPM5-2B_config") in " ".join(missing_files(model))


def test_the_context_is_read_beside_the_file_where_its_name_is_silent(tmp_path: Path) -> None:
    hbm = sdks.model(tmp_path / "model.hbm")
    assert from_settings(Settings(hbm_path=hbm)).context is None
    (tmp_path / "MODEL_INFO.json").write_text('{"context_length": 2048}')
    assert from_settings(Settings(hbm_path=hbm)).context == 2048
    (tmp_path / "MODEL_INFO.json").write_text('{"context_length": "many"}')
    assert from_settings(Settings(hbm_path=hbm)).context is None


def test_every_mistake_is_named_at_once_with_its_line() -> None:
    found = refused(
        """\
default = "nobody"
models = 3
[[model]]
id = "two words"
hbmm = "x"
context = "many"
args = "-x"
env = { "A B" = "1", C = 2 }
[[model]]
aliases = [
  "x", "x"]
preload = 1
vit = "x.hbm"
thinking = "loud"
hbm = "\\u0000"
"""
    )
    assert [line.partition(":")[0] for line in found] == sorted((line.partition(":")[0] for line in found), key=int)
    for start in (
        "1: `default` is no model's id",
        "2: there is no key `models`",
        "4: `id` must be one word",
        "5: there is no key `hbmm`",
        "6: `context` must be a whole number (it is 'many')",
        "7: `args` must be an array",
        "8: `env",
        "9: `id` is missing",
        "10: the name `x` is taken",
        "12: `preload` must be true or false",
        "14: `thinking` must be 'template', 'model', 'off' or 'none'",
        "15: `hbm` must not hold a NUL",
    ):
        assert [line for line in found if line.startswith(start)], (start, found)
    assert len([line for line in found if line.startswith("8:")]) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[model]]\nid = "a"\nid = "b"', "line 3"),
        ("[[model]]\nid = ", "line 2"),
        ("x = " + "[" * 5000, "line 1"),
        ('[[model]]\nid = "a"\n[model]\nx = 1', "line 3"),
        ("\0", "line 1"),
    ],
)
def test_what_is_not_toml_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match="is not TOML") as caught:
        read(text)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "# nothing", "model = 3", "model = []", "model = [1]", '[model]\nid = "a"', 'model = ["a"]']
)
def test_a_table_without_entries_is_a_mistake(text: str) -> None:
    assert any("there is no [[model]]" in line for line in refused(text))


ODD = [
    f'hbm = "{"a" * 5000}.hbm"',
    'hbm = "/"',
    'hbm = "/proc/self/mem"',
    'tokenizer_dir = "/proc"',
    'runtime_dir = "~nobody-of-this-name/x"',
    "idle_unload_s = inf",
    "idle_unload_s = nan",
    "context = 99999999999999999999",
    'vlm = { a = 1979-05-27 }\nprofile = "vlm"',
    'vlm = { a = nan }\nprofile = "vlm"',
    'env = { "" = "x" }',
    'env = { A = "\\u0000" }',
    'aliases = ["\\u202e"]',
    "aliases = [[]]",
    "model_type = true",
    "vlm." + ".".join("a" * 95) + ' = 1\nprofile = "vlm"',
]


@pytest.mark.parametrize("line", ODD)
def test_whatever_an_entry_holds_the_end_is_a_model_or_a_sentence(line: str) -> None:
    table = outcome(f'[[model]]\nid = "a"\n{line}\n')
    if isinstance(table, str):
        assert f"{PATH}:3:" in table
    else:
        assert missing_files(table.default_model)
        assert isinstance(refusals(table.default_model, "S100"), list)


@given(st.integers(0, len(ALL_KEYS)), st.integers(0, 40), st.text(max_size=20))
def test_a_table_that_was_cut_or_scribbled_into_is_read_or_refused(at: int, cut: int, scribble: str) -> None:
    table = outcome(ALL_KEYS[:at] + scribble + ALL_KEYS[at + cut :])
    assert str(PATH) in table if isinstance(table, str) else table.models


def test_keys_that_contradict_each_other_are_mistakes() -> None:
    assert refused('[[model]]\nid = "a"\nvision = true') == [
        "3: `vision` needs the console `vlm`, and this one is `xlm_demo`."
    ]
    assert "is for models with `vision = true`" in refused('[[model]]\nid = "a"\nvit = "v.hbm"')[0]
    assert "is not a language model" in refused('[[model]]\nid = "a"\nhbm = "whisper-medium_x.hbm"')[0]


def test_keys_that_contradict_each_other_are_named_beside_other_mistakes() -> None:
    found = refused(
        'default = "x"\n[[model]]\nvision = true\ncontext = "4096"\n[[model]]\nid = "b"\nvit = "v"\nfoo = 1\n'
    )
    assert [line.partition(":")[0] for line in found] == ["1", "2", "3", "4", "7", "8"]
    assert found[0].endswith("there are b.")
    # What depends on a wrong key is not judged.
    found = refused('[[model]]\nid = "a"\nprofile = "vml"\nvision = true\n')
    assert len(found) == 1


def test_two_models_cannot_share_a_name() -> None:
    text = '[[model]]\nid = "a"\naliases = ["b"]\n[[model]]\nid = "b"\n'
    assert refused(text) == ["5: the name `b` is taken already."]


# The file itself


def test_a_file_that_others_may_write_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text('[[model]]\nid = "a"\n')
    settings = load_settings(models_file=str(path))
    assert load_table(settings).default == "a"
    path.chmod(0o666)
    with pytest.raises(SettingsError, match="can be written by other users"):
        load_table(settings)
    path.chmod(0o644)
    tmp_path.chmod(0o777)
    with pytest.raises(SettingsError, match=f"{tmp_path} can be written by other users"):
        load_table(settings)
    tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("primary", "listed", "is_read"),
    [
        ([1000], [], True),
        ([1000], ["me"], True),
        ([1000, 1001], [], False),
        ([1000], ["other"], False),
        ([], [], False),
    ],
)
def test_a_group_may_write_where_the_user_is_its_only_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, primary: list[int], listed: list[str], is_read: bool
) -> None:
    users = [pwd.struct_passwd((f"u{user}", "x", user, 77, "", "/", "/bin/sh")) for user in primary]
    names = {"me": 1000, "other": 1001}
    monkeypatch.setattr(pwd, "getpwall", lambda: users)
    monkeypatch.setattr(
        pwd, "getpwnam", lambda name: pwd.struct_passwd((name, "x", names[name], 5, "", "/", "/bin/sh"))
    )
    monkeypatch.setattr(grp, "getgrgid", lambda group: grp.struct_group(("own", "x", group, listed)))
    status = os.stat_result((stat.S_IFREG | 0o664, 0, 0, 1, 1000, 77, 0, 0, 0, 0))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert (trusted_files._distrust(status, is_last=True) is None) is is_read


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_root_reads_no_file_of_another_user_nor_below_their_folder_nor_by_their_link(tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "models.toml"
    mine.parent.mkdir()
    mine.write_text('[[model]]\nid = "a"\n')
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    link = theirs / "models.toml"
    link.symlink_to(mine)
    os.lchown(link, 12345, 12345)
    with pytest.raises(SettingsError, match=f"{link} belongs to another user"):
        load_table(load_settings(models_file=str(link)))
    os.lchown(link, 0, 0)
    assert load_table(load_settings(models_file=str(link))).default == "a"
    os.chown(theirs, 12345, 12345)
    with pytest.raises(SettingsError, match=f"{theirs} belongs to another user"):
        load_table(load_settings(models_file=str(link)))
    os.chown(theirs, 0, 0)
    os.chown(mine, 12345, 12345)
    with pytest.raises(SettingsError, match="belongs to another user"):
        load_table(load_settings(models_file=str(mine)))


def test_what_is_no_text_file_is_a_sentence(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(SettingsError) as caught:
            load_table(load_settings(models_file=str(path)))
        return caught.value.message

    assert "is not there" in said(tmp_path / "nothing.toml")
    assert "not a regular file" in said(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert "not a regular file" in said(fifo)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in said(binary)
    sdks.model(tmp_path / "large", 1 << 30)
    assert "is larger than" in said(tmp_path / "large")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "cannot be read" in said(loop)


# Lines

KEY = st.sampled_from(["a", '"b c"', "'d'", "e.f", '"g=h".i'])
VALUE = st.sampled_from(
    [
        "1",
        '"x"',
        "'''\na = 1\n'''",
        '"""\n[[model]]\n"""',
        "[\n1, # ]\n2,\n]",
        "{ x = 1, y = [2] }",
        '"#"',
        '"\\""',
        "'='",
    ]
)


@given(st.lists(st.tuples(KEY, VALUE, st.sampled_from(["", " # a = [", "\n", "\r"])), max_size=6), st.booleans())
def test_a_key_stands_where_it_was_written(rows: list[tuple[str, str, str]], crlf: bool) -> None:
    """Each key in a table of its own, so that none is there twice; the line is counted while the text is made."""
    text, wanted = "# head\n\n", {}
    for number, (key, value, rest) in enumerate(rows):
        text += "[[t]]\n"
        wanted[number] = text.count("\n") + 1
        text += f"{key} = {value}{rest if rest != chr(13) else ''}\n"
    text = text.replace("\n", "\r\n") if crlf else text
    document = tomlkit.parse(text).unwrap()
    found = lines(text)
    for number, line in wanted.items():
        [first] = document["t"][number]
        assert found["t", number, first] == line
        assert line_of(("t", number, first, "nothing"), found) == line
