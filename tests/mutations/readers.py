"""Every reader of files that may come from anybody: a valid file of its kind, how it is read, and how it may be wrong.

The property test beside this reads some hundreds of wrong files with each, `make mutations` ten thousand.
"""

import csv
import gzip
import io
import json
import math
import random
import shutil
import sqlite3
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from twofold.analysis import as_trials, summary
from twofold.data import find_relation, relation_of_record
from twofold.data.asked import find_pairs
from twofold.data.form import Form
from twofold.data.idx import read_idx_files
from twofold.data.images import images_of
from twofold.data.npz import read_npz
from twofold.data.pictures import read_picture
from twofold.data.reading import Reading
from twofold.data.table import read_rows, read_table
from twofold.report.page.questions import asked_in
from twofold.report.text.networks import facts_of_own
from twofold.report.text.plans import plans_table
from twofold.results import ModelStore, Plan, Store
from twofold.results.table_file import read_csv
from twofold.settings import SETTINGS
from twofold.study.plan_file import plan_as_toml, read_plan

STORES = Path(__file__).parents[1] / "stores"

# What stands in the place of a value: of another kind, out of all bounds, no text, too deep.
VALUES: Sequence[Any] = (
    None, True, 0, -1, 1, 2**31, 2**63 - 1, -(2**63), 0.5, -0.0, 1e-320, 1e308, math.inf, -math.inf, math.nan,
    "", " ", "abc",
    "nan", "1e999", "0x10", "1" * 5000, "9" * 400, "{", "[]", "{}", "[1, 2", "null", '"', "[[1]]", '{"a": 1}', "[NaN]",
    "[" * 100_000, '{"a":' * 50_000, "\0", "\ud800", "ü" * 1000, "x" * 100_000,
    b"\xff\xfe", b"", b"SQLite format 3\0",
    [], {}, [None], [[0, 0]], {"a": {}}, [1e999], "a,b\nc", "'", "../../etc/passwd", "file.py:f",
    "NetWSAL", "10-" + "0" * 32,
)  # fmt: skip

_OWN = "Twin(share=True)"


@dataclass(frozen=True)
class Reader:
    """`make` writes a valid file into a folder and returns it, `read` reads it as far as a command would.

    `wrong` changes the file as somebody might who knows what it is; other changes are made to its bytes. `use` does
    with what was read what takes longer than to read it. A short test reads `few` wrong files.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    wrong: Callable[[Path, random.Random], None]
    use: Callable[[Any], object] = lambda read: None
    few: int = 150


def mutate(path: Path, reader: Reader, seed: int) -> None:
    """Make a file wrong in one to four ways, which the seed decides."""
    draw = random.Random(seed)
    if draw.random() < 0.5:
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            reader.wrong(path, draw)
        return
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice((1, 1, 2, 4))):
        content = draw.choice(_IN_BYTES)(content, draw)
    path.write_bytes(content)


def _flip(content: bytearray, draw: random.Random) -> bytearray:
    for _ in range(draw.choice((1, 1, 8, 64))):
        if content:
            content[_place(content, draw)] ^= 1 << draw.randrange(8)
    return content


def _truncate(content: bytearray, draw: random.Random) -> bytearray:
    return content[: _place(content, draw)]


def _insert(content: bytearray, draw: random.Random) -> bytearray:
    at, given = _place(content, draw), draw.choice((b"\0", b"\xff", b"\n", b",", b'"', b"\xff" * 8, draw.randbytes(64)))
    return content[:at] + given + content[at:]


def _delete(content: bytearray, draw: random.Random) -> bytearray:
    start = _place(content, draw)
    return content[:start] + content[start + draw.choice((1, 4, 64, 1024)) :]


def _duplicate(content: bytearray, draw: random.Random) -> bytearray:
    start, length = _place(content, draw), draw.choice((1, 4, 64, 1024))
    return content[: start + length] + content[start:]


def _swap(content: bytearray, draw: random.Random) -> bytearray:
    one, other, length = _place(content, draw), _place(content, draw), draw.choice((1, 4, 64))
    content[one : one + length], content[other : other + length] = (
        content[other : other + length],
        content[one : one + length],
    )
    return content


def _place(content: bytearray, draw: random.Random) -> int:
    """A place in the content; every second one near its beginning, where heads are."""
    return draw.randrange(min(len(content), 200) if draw.random() < 0.5 else len(content)) if content else 0


_IN_BYTES = (_flip, _flip, _truncate, _insert, _delete, _duplicate, _swap)


# Stores.


def row_of(number: int, **others: Any) -> dict[str, Any]:
    """The row of a trial as a study makes it."""
    network = ("NetWSAL", "NetBase")[number % 2]
    return {
        **{name: declared.default for name, declared in SETTINGS.items()},
        "key": f"{number:064x}", "network": network, "round": number // 2, "weight_round": number // 2,
        "weight_sharing": number % 2 == 0, "wrong_answers": None,
        "auxiliary_losses": number % 2 == 0, "epochs": 2, "pairs": 100, "test_pairs": 50, "validation_pairs": 10,
        "question": find_relation("<=").identity, "true_share": 0.55, "one_image_error": 0.3, "fingerprint": "f" * 32,
        "train_error": 0.1, "validation_error": 0.3, "test_error": 0.2 + number / 100, "digit_error": None,
        "distance_threshold": None, "dead_first": 0, "dead_second": 10, "diverged": False, "train_loss": [1.5, 0.3],
        "dead_units_trace": [[0, 9], [0, 10]], "class_names": None, "identity": None, "source": None, "arguments": None,
        "dead_layers": None, "torch_version": None, "seconds": 1.25, "twofold_version": "0.2.0",
        "jax_version": "0.10.2", "engine": "native", "device": "cpu: some processor",
        "finished_at": f"2026-01-02T03:04:{number:02}.678+00:00", **others,
    }  # fmt: skip


_OWN_NETWORK = {
    "network": _OWN, "identity": "a" * 64, "source": "file.py:Twin", "arguments": {"share": True},
    "weight_sharing": None, "dead_first": None, "dead_second": None, "dead_layers": {"dense": [1, 10]},
    "dead_units_trace": None,
}  # fmt: skip
_DESCRIPTION = {
    "calls": [
        {"layer": "dense", "operation": "linear", "inputs": [-1], "of": "both", "input_shape": [196],
         "output_shape": [2], "parameters": 394, "again": None},
    ],
    "outputs": [0], "answer": "logits", "classes": None, "embeddings": False,
}  # fmt: skip


_PLAN = {
    "studies": [{"networks": ["NetWSAL", _OWN], "rounds": "0-1", "settings": {"epochs": 2, "pairs": [100, 300]}}],
    "search": {"budget": 6, "together": True, "space": {"learning_rate": [0.1, 1.0]}, "names": ["s"]},
    "identities": {"mnist": "f" * 32},
}


def _store(folder: Path) -> Path:
    path = folder / "t.db"
    store = Store(path)
    for number in range(4):
        store.add(row_of(number))
    store.add(row_of(4, **_OWN_NETWORK))
    store.describe("a" * 64, _DESCRIPTION)
    store.name_question("f" * 32, find_relation("<="))
    store.append_journal([{"op_code": 0, "worker_id": "w", "study_name": "s", "directions": [1]}])
    store.record(Plan("a" * 64, "study", 4, _PLAN), [row_of(number)["key"] for number in range(4)])
    return path


def _first_store(folder: Path) -> Path:
    return Path(shutil.copy(STORES / "first" / "twofold.db", folder / "t.db"))


def _read_store(path: Path) -> tuple[pd.DataFrame, pd.DataFrame, Any]:
    store = Store(path, create=False)
    store.count()
    store.read_journal()
    for each in store.plans():
        store.keys_of_plan(each.number)
        plans_table([each], store.url, store.without_plan())
        plan_as_toml(each.plan.command, each.plan.content, "")
    store.plans_lost()
    return store.read(histories=True), store.described(), store.answers()


def _use_store(read: tuple[pd.DataFrame, pd.DataFrame, Any]) -> None:
    table, described, answers = read
    for row in described.to_dict("records"):
        facts_of_own(row["network"], row["description"])
    trials = as_trials(table)
    asked_in(trials, answers)
    summary(trials)


def _write_store(path: Path) -> None:
    store = Store(path)
    new = row_of(9)
    store.claim([new["key"], row_of(0)["key"]], "o" * 32)
    store.beat("o" * 32, [new["key"]], trials=2, done=0)
    new["relation"] = store.name_question("f" * 32, find_relation("=="))
    store.add(new)
    store.append_journal([{"op_code": 1}])
    store.record(Plan("a" * 64, "study", 2, _PLAN), [new["key"], row_of(0)["key"]])
    store.delete([row_of(1)["key"]])
    store.release_claims("o" * 32)


def _wrong_store(path: Path, draw: random.Random) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        try:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            table = draw.choice(["trials", *tables])
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info('{table}')")]
            column, other = draw.choice(columns), draw.choice(columns)
            value = draw.choice(VALUES)
            value = json.dumps(value) if isinstance(value, list | dict) else value
            statement = draw.choice([f"UPDATE {table} SET {column} = ?"] * 20 + list(_STATEMENTS))
            statement = statement.format(
                table=table, column=column, other=other, version=draw.choice(("9999", "abc", ""))
            )
            connection.execute(statement, [value] if "?" in statement else [])
            connection.execute("PRAGMA ignore_check_constraints=1")
        except (sqlite3.Error, UnicodeEncodeError, OverflowError, IndexError):  # that the schema itself refuses
            return


_STATEMENTS = (
    "UPDATE {table} SET {column} = {other}",
    "UPDATE {table} SET {column} = CAST(x'ff00fe' AS TEXT)",
    "UPDATE {table} SET {column} = zeroblob(40000000) WHERE rowid = 1",
    "UPDATE trials SET {column} = {other}",
    "DELETE FROM {table}",
    "DROP TABLE {table}",
    "ALTER TABLE {table} DROP COLUMN {column}",
    "ALTER TABLE {table} RENAME COLUMN {column} TO another",
    "ALTER TABLE {table} RENAME TO another",
    "ALTER TABLE {table} ADD COLUMN another",
    "CREATE TRIGGER t AFTER INSERT ON {table} BEGIN DELETE FROM trials; END",
    "CREATE VIEW another AS SELECT * FROM trials",
    "UPDATE twofold_version SET version_num = '{version}'",
    "DELETE FROM twofold_version",
    "PRAGMA user_version = 77",
    "PRAGMA application_id = 77",
)


# Plans.


def _plan(folder: Path) -> Path:
    path = folder / "plan.toml"
    path.write_text(plan_as_toml("tune", _PLAN, "A plan"))
    return path


def _wrong_plan(path: Path, draw: random.Random) -> None:
    lines = path.read_text(errors="surrogateescape").splitlines()
    at = draw.randrange(len(lines)) if lines else 0
    value = draw.choice([value for value in VALUES if not isinstance(value, bytes)])
    name = lines[at].partition("=")[0] if lines else "a"
    written = draw.choice((str(value), repr(value), json.dumps(value), "{a = 1}", "2026-01-01", "[[1]]"))
    lines[at : at + 1] = [f"{draw.choice((name, 'rounds', 'studies', 'factors', 'command'))} = {written}"]
    path.write_bytes("\n".join(lines).encode(errors="surrogatepass"))


# Tables of trials.


def _table(folder: Path) -> Path:
    path = folder / "t.csv"
    store = Store(folder / "of_table.db")
    for number in range(4):
        store.add(row_of(number))
    store.add(row_of(4, **_OWN_NETWORK))
    store.read(histories=True).to_csv(path, index=False)
    return path


def _use_table(table: pd.DataFrame) -> None:
    summary(as_trials(table))


def _wrong_table(path: Path, draw: random.Random) -> None:
    try:
        rows = list(csv.reader(io.StringIO(path.read_text(errors="surrogateescape"), newline="")))
    except csv.Error:  # of a cell that has become too long for Python's reader
        return
    line, other = draw.randrange(len(rows)), draw.randrange(len(rows))
    if not rows[line]:
        return
    cell = draw.randrange(len(rows[line]))
    match draw.randrange(7):
        case 0 | 1 | 2:
            value = draw.choice(VALUES)
            rows[line][cell] = value.decode("latin1") if isinstance(value, bytes) else str(value)
        case 3:
            rows[line], rows[other] = rows[other], rows[line]
        case 4:
            place = draw.randrange(len(rows[line]))
            rows[line][cell], rows[line][place] = rows[line][place], rows[line][cell]
        case 5:
            rows = [[each for at, each in enumerate(row) if at != cell] for row in rows]
        case 6:
            rows.append(rows[line])
    text = io.StringIO()
    csv.writer(text, delimiter=draw.choice(",,,;\t")).writerows(rows)
    path.write_bytes(text.getvalue().encode(errors="surrogatepass"))


# Kept networks.


def _model(folder: Path) -> Path:
    name = "94a19f7632b18c5e3c3e636f4ed193a532af83eaa6e5eb450f8b7e1503d0faba.safetensors"
    return Path(shutil.copy(STORES / "first" / "twofold.models" / name, folder / name))


def _read_model(path: Path) -> None:
    models = ModelStore(path.parent)
    assert models.present([path.stem]) == {record["key"] for record in models.records()}
    record = models.load(path.stem).record
    relation_of_record(record)
    Form.of(record)


def _wrong_model(path: Path, draw: random.Random) -> None:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    try:
        head = json.loads(content[8 : 8 + length])
        record = json.loads(head["__metadata__"]["record"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return
    value = draw.choice([value for value in VALUES if not isinstance(value, bytes)])
    of = draw.choice((record, record, head["__metadata__"], head[draw.choice(list(head))], head))
    if isinstance(of, dict) and of:
        of[draw.choice(list(of))] = value
    if draw.random() < 0.1 and isinstance(record, dict):
        record.update(
            identity="a" * 64, class_names=draw.choice((value, list("abc"))), answers=str(value), channels=value
        )
    if draw.random() < 0.1 and isinstance(record, dict):
        record.pop(draw.choice(list(record)))
    if of is record and isinstance(head.get("__metadata__"), dict):
        head["__metadata__"]["record"] = json.dumps(record)
    if draw.random() < 0.1:
        content = (
            content[: 8 + length]
            + np.full((len(content) - 8 - length) // 4, draw.choice((math.nan, 1e38)), "f4").tobytes()
        )
    written = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(written)) + written + content[8 + length :])


# Images.


def _archive(folder: Path) -> Path:
    path, draw = folder / "t.npz", np.random.default_rng(0)
    images = draw.integers(0, 255, (40, 8, 8), np.uint8)
    np.savez(path, images=images, labels=np.arange(40) % 10, class_names=np.array(list("abcdefghij")))
    return path


def _read_archive(path: Path) -> None:
    images_of("it", read_npz(path), Reading(pool=2))


def _wrong_archive(path: Path, draw: random.Random) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    if not members:
        return
    name = draw.choice(list(members))
    match draw.randrange(5):
        case 0:
            members[draw.choice(("other.npy", "images.npy", "class_names.npy"))] = members.pop(name)
        case 1:
            members[name] = members[draw.choice(list(members))]
        case 2:
            shape = draw.choice(
                ((-1,), (2**40, 2**40), (0, 2**62), (1,) * 40, (40, 8), (10**12,), (), (2**31, 0), (40, 8, 8, 2))
            )
            kind = draw.choice(("|O", "<f8", "<U100000000", "|V0", "|b1", "<c16", "<M8[s]", "<i8", "|S3", "<u2"))
            head = repr({"descr": kind, "fortran_order": draw.random() < 0.2, "shape": shape}).encode()
            head += b" " * (118 - len(head) % 64) + b"\n"
            members[name] = b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + members[name][128:]
        case 3:
            buffer = io.BytesIO()
            values = [
                np.full((40, 8, 8), np.nan),
                np.full((40, 8, 8), 1e300),
                np.zeros((40, 8, 8, 3)),
                np.arange(40) * 1e18,
            ]
            odd = [
                np.array(["x"] * 40),
                np.array([b"\xff"] * 10),
                np.zeros((40, 0, 8)),
                np.zeros(0),
                np.zeros((40, 2, 9, 9)),
            ]
            np.save(buffer, draw.choice([*values, *odd]))
            members[name] = buffer.getvalue()
        case 4:
            members[name] = bytes(1_000_000)
    with (
        warnings.catch_warnings(),
        zipfile.ZipFile(path, "w", draw.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))) as archive,
    ):
        for member, content in members.items():
            archive.writestr(member, content)


def _idx(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 20)):
        images, labels = draw.integers(0, 255, (count, 8, 8), np.uint8), (np.arange(count) % 10).astype(np.uint8)
        head = struct.pack(">I3I", 0x803, *images.shape)
        (folder / f"{part}-images").write_bytes(gzip.compress(head + images.tobytes()))
        (folder / f"{part}-labels").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())
    return folder / "train-images"


def _read_idx(path: Path) -> None:
    names = ("train-images", "train-labels", "t10k-images", "t10k-labels")
    images_of("it", read_idx_files(*(path.parent / name for name in names)), Reading(pool=2))


def _wrong_idx(path: Path, draw: random.Random) -> None:
    try:
        content = bytearray(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError):
        return
    at, value = 4 * draw.randrange(4), draw.choice((0, 1, 2**31, 2**32 - 1, 0x801, 0x803, 0x903, 39, 41, 10**6))
    content[at : at + 4] = struct.pack(">I", value)
    content += bytes(draw.choice((0, 0, 1, 50_000_000 if draw.random() < 0.05 else 1000)))
    path.write_bytes(gzip.compress(bytes(content), 1) if draw.random() < 0.5 else bytes(content))


def _picture(ending: str, **options: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / f"t.{ending}"
        pixels = np.random.default_rng(0).integers(0, 255, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).save(path, **options)
        return path

    return make


def _read_picture(path: Path) -> None:
    read_picture(str(path), (8, 8))


def _wrong_sides(path: Path, draw: random.Random) -> None:
    """Change numbers at the beginning, where sizes are."""
    content = bytearray(path.read_bytes())
    at = draw.randrange(min(len(content), 100) or 1)
    content[at : at + 4] = draw.choice(
        (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\1\0\0", b"\0\0\x7f\xff")
    )
    path.write_bytes(content)


def _pictures(folder: Path) -> Path:
    for name in ("a", "b"):
        _picture("png")(folder).rename(folder / f"{name}.png")
    path = folder / "t.csv"
    path.write_text(
        "path,label,split\n" + "a.png,cat,train\nb.png,dog,train\n" * 2 + "a.png,cat,test\nb.png,dog,test\n"
    )
    return path


def _read_pictures(path: Path) -> None:
    reading = Reading(pool=1, size=(8, 8))
    images_of("it", read_table(path, read_rows(path), reading), reading)


def _list(folder: Path) -> Path:
    _pictures(folder)
    path = folder / "t.csv"
    path.write_text("left,right\na.png,b.png\nb.png,a.png\n")
    return path


def _read_pairs(path: Path) -> None:
    form = Form((8, 8), 2, 1, digits=False)
    for pair in find_pairs(path)[:3]:
        for picture in pair.pictures:
            form.image(picture)


def _pair_archive(folder: Path) -> Path:
    path = folder / "t.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 255, (4, 2, 8, 8), np.uint8))
    return path


READERS: dict[str, Reader] = {
    "a store": Reader(_store, _read_store, _wrong_store, _use_store, few=60),
    "a store of the first version": Reader(_first_store, _read_store, _wrong_store, _use_store, few=60),
    "a store to write to": Reader(_store, _write_store, _wrong_store, few=60),
    "a plan": Reader(_plan, read_plan, _wrong_plan),
    "a table of trials": Reader(_table, read_csv, _wrong_table, _use_table, few=20),
    "a kept network": Reader(_model, _read_model, _wrong_model, few=60),
    "images in an archive": Reader(_archive, _read_archive, _wrong_archive, few=60),
    "images in IDX": Reader(_idx, _read_idx, _wrong_idx),
    "a table of pictures": Reader(_pictures, _read_pictures, _wrong_table),
    "a list of pairs": Reader(_list, _read_pairs, _wrong_table),
    "an archive of pairs": Reader(_pair_archive, _read_pairs, _wrong_archive, few=60),
    "a PNG": Reader(_picture("png"), _read_picture, _wrong_sides),
    "a JPEG": Reader(_picture("jpg"), _read_picture, _wrong_sides),
    "a GIF": Reader(_picture("gif"), _read_picture, _wrong_sides),
    "a TIFF": Reader(_picture("tif", compression="tiff_lzw"), _read_picture, _wrong_sides),
    "a WebP": Reader(_picture("webp"), _read_picture, _wrong_sides),
    "a BMP": Reader(_picture("bmp"), _read_picture, _wrong_sides),
}
