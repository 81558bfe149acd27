"""What is known of images before they are read: kept by the files' size, time and inode, and never more than a help."""

import json
import os

import numpy as np
import pytest

import twofold.cache
from twofold.cache import keep, read_kept
from twofold.data import Task, find_source, load_images
from twofold.data import source as source_module
from twofold.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setattr(twofold.cache, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def names(cache):
    """What is kept, by the names that `twofold.cache` knows."""
    return [str(file.relative_to(cache)) for file in cache.rglob("*") if file.is_file()]


@pytest.fixture
def own(tmp_path):
    """Makes an .npz file of 40 images, and gives its path."""

    def make(seed=0):
        random = np.random.default_rng(seed)
        images, labels = random.integers(0, 256, (40, 20, 24), np.uint8), np.arange(40) % 10
        np.savez(tmp_path / "own.npz", images=images, labels=labels)
        return str(tmp_path / "own.npz")

    return make


def facts(source):
    return source.name, source.fingerprint, source.train_count, source.test_count, source.task, source.class_names


def test_the_facts_are_those_of_the_images(own):
    path = own()
    digits = load_images(path)
    for _ in range(2):  # read, and then known
        task, names = Task(10, 12, channels=1, classes=10), tuple("0123456789")
        assert facts(find_source(path)) == (path, digits.fingerprint, 20, 20, task, names)
        assert find_source(path).load().fingerprint == digits.fingerprint


def count_reads(monkeypatch):
    reads = []
    real = source_module.find_images

    def counting(*arguments):
        place = real(*arguments)
        read = place.read
        object.__setattr__(place, "read", lambda: reads.append(1) or read())
        return place

    monkeypatch.setattr(source_module, "find_images", counting)
    return reads


def test_files_that_were_read_once_are_not_read_again_for_their_facts(own, monkeypatch):
    path, reads = own(), count_reads(monkeypatch)
    first = facts(find_source(path))
    assert len(reads) == 1
    assert facts(find_source(path)) == first
    assert len(reads) == 1
    find_source(path).load()
    assert len(reads) == 2


@pytest.mark.parametrize("change", ["content", "time", "inode"])
def test_a_file_that_changed_is_read_again(change, own, monkeypatch, tmp_path):
    path = own()
    before = find_source(path)
    status = os.stat(path)
    reads = count_reads(monkeypatch)
    if change == "content":
        own(seed=1)
    elif change == "time":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    else:
        content = (tmp_path / "own.npz").read_bytes()
        os.rename(path, tmp_path / "away")
        (tmp_path / "own.npz").write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = find_source(path)
    assert len(reads) == 1
    assert (after.fingerprint == before.fingerprint) == (change != "content")


def test_images_that_are_not_those_of_the_facts_are_never_used(own, cache):
    """Where a file was changed and its size, time and inode were not, or the cache is another's."""
    path = own()
    right = find_source(path).fingerprint
    (name,) = names(cache)
    wrong = {**json.loads(read_kept(name)), "fingerprint": "0" * 32}
    keep(name, json.dumps(wrong).encode(), 1)
    with pytest.raises(DataError, match="have changed since"):
        find_source(path).load()
    assert find_source(path).load().fingerprint == right  # the command run again


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"x": 1}'])
def test_a_damaged_cache_is_as_none(content, own, cache):
    path = own()
    right = facts(find_source(path))
    (name,) = names(cache)
    keep(name, content, 1)
    assert facts(find_source(path)) == right
    assert facts(find_source(path)) == right


def test_facts_of_another_shape_are_as_none(own, cache):
    path = own()
    right = facts(find_source(path))
    (name,) = names(cache)
    for content in ({"fingerprint": "0" * 32}, 5, {"task": {}}, []):
        keep(name, json.dumps(content).encode(), 1)
        assert facts(find_source(path)) == right


def test_a_cache_that_cannot_be_written_costs_time_alone(own, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(twofold.cache, "cache_folder", lambda: tmp_path / "file" / "cache")
    path = own()
    assert facts(find_source(path)) == facts(find_source(path))


def test_the_latest_facts_are_kept(own, cache, monkeypatch):
    monkeypatch.setattr(source_module, "_MOST_KEPT", 2)
    path = own()
    for step in range(4):
        os.utime(path, ns=(step, step))
        find_source(path)
    assert len(names(cache)) == 2
