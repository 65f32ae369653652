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
from bpu.models.spec import as_settings
from bpu.models.table import load_table, table_file
from bpu.settings import Settings, load_settings
from tests.support import sdks
from tests.unit.models.tables import ALL_KEYS, PATH, outcome, read


def refused(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(text)
    return [line.strip().removeprefix(f"{PATH}:") for line in caught.value.message.splitlines()[1:]]


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
