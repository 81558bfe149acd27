"""Downloads, from a real server on this machine with pooch as it is."""

import gzip
import hashlib
import http.server
import threading
from functools import partial

import pytest

from twofold.data import load_digits
from twofold.data.download import PUBLISHED, Publication, download, download_folder
from twofold.errors import DataError


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and keeps the paths that were asked for."""

    def log_message(self, *arguments) -> None:
        self.server.asked.append(self.path)


@pytest.fixture
def server(tmp_path, idx_files):
    """A server of tmp_path/served, where /good/ has the right files and /bad/ others under the same names."""
    for mirror, change in (("good", bytes), ("bad", lambda content: content[:-9])):
        folder = tmp_path / "served" / mirror
        folder.mkdir(parents=True)
        for name, content in idx_files.items():
            (folder / f"{name}.gz").write_bytes(change(gzip.compress(content, mtime=0)))
    serve = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_QuietHandler, directory=str(tmp_path / "served"))
    )
    serve.asked = []
    thread = threading.Thread(target=serve.serve_forever)
    thread.start()
    yield serve
    serve.shutdown()
    thread.join()
    serve.server_close()


@pytest.fixture
def publication(server, tmp_path):
    """A function that gives a data set published at these mirrors of the server."""
    sha256 = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name in PUBLISHED["mnist"].sha256
        for path in [tmp_path / "served" / "good" / name]
    }

    def published(*mirrors: str) -> Publication:
        addresses = tuple(f"http://127.0.0.1:{server.server_port}/{mirror}/" for mirror in mirrors)
        return Publication("mnist", "MNIST", addresses, sha256)

    return published


def test_a_download_leaves_the_files_and_nothing_else(publication, tmp_path):
    download(publication("good"), tmp_path / "cache")
    assert sorted(p.name for p in (tmp_path / "cache").iterdir()) == sorted(PUBLISHED["mnist"].sha256)
    assert load_digits(str(tmp_path / "cache")).train_images.shape == (40, 10, 12)


@pytest.mark.parametrize("first", ["bad", "absent"])
def test_the_next_mirror_mends_the_first(first, publication, tmp_path):
    download(publication(first, "good"), tmp_path / "cache")
    assert load_digits(str(tmp_path / "cache")).train_images.shape == (40, 10, 12)


def test_where_all_mirrors_fail_nothing_is_left(publication, tmp_path):
    with pytest.raises(DataError, match=r"cannot download train-images.*not the published file.*HTTPError") as caught:
        download(publication("bad", "absent"), tmp_path / "cache")
    assert "--data-dir" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_unreachable_mirror_is_named(tmp_path):
    nobody = Publication("mnist", "MNIST", ("http://127.0.0.1:1/",), PUBLISHED["mnist"].sha256)
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:1/: ConnectionError"):
        download(nobody, tmp_path / "cache")


def test_what_is_there_is_not_fetched_again(publication, server, tmp_path):
    download(publication("good"), tmp_path / "cache")
    server.asked.clear()
    download(publication("good"), tmp_path / "cache")
    assert server.asked == []


def test_a_damaged_file_is_fetched_again(publication, server, tmp_path):
    download(publication("good"), tmp_path / "cache")
    damaged = tmp_path / "cache" / "train-labels-idx1-ubyte.gz"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    server.asked.clear()
    download(publication("good"), tmp_path / "cache")
    assert server.asked == ["/good/train-labels-idx1-ubyte.gz"]
    assert load_digits(str(tmp_path / "cache")).train_images.shape == (40, 10, 12)


def test_a_damaged_file_that_cannot_be_mended_is_not_left(publication, tmp_path):
    download(publication("good"), tmp_path / "cache")
    damaged = tmp_path / "cache" / "train-labels-idx1-ubyte.gz"
    damaged.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="cannot download train-labels"):
        download(publication("bad"), tmp_path / "cache")
    assert not damaged.exists()


def test_a_named_source_is_downloaded_into_the_users_cache_once(publication, server, tmp_path, monkeypatch):
    monkeypatch.delenv("TWOFOLD_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(PUBLISHED, "mnist", publication("good"))
    first = load_digits("mnist")
    assert (download_folder() / "mnist" / "train-images-idx3-ubyte.gz").is_file()
    server.asked.clear()
    assert load_digits("mnist").fingerprint == first.fingerprint
    assert server.asked == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_publication_has_two_mirrors_and_the_four_files(name):
    publication = PUBLISHED[name]
    assert len(publication.mirrors) >= 2
    assert all(mirror.endswith("/") for mirror in publication.mirrors)
    assert list(publication.sha256) == list(PUBLISHED["mnist"].sha256)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in publication.sha256.values())
