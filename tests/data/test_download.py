"""Downloads, from a real server on this machine with pooch as it is."""

import gzip
import hashlib
import http.server
import re
import socket
import threading
from functools import partial

import pytest

import twofold.data.download
from twofold.data import load_images
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
    assert load_images(str(tmp_path / "cache")).train_images.shape == (40, 10, 12)


@pytest.mark.parametrize("first", ["bad", "absent"])
def test_the_next_mirror_mends_the_first(first, publication, tmp_path):
    download(publication(first, "good"), tmp_path / "cache")
    assert load_images(str(tmp_path / "cache")).train_images.shape == (40, 10, 12)


def test_where_all_mirrors_fail_nothing_is_left(publication, tmp_path):
    with pytest.raises(
        DataError, match=r"cannot download train-images.*not the published file.*404 Not Found"
    ) as caught:
        download(publication("bad", "absent"), tmp_path / "cache")
    assert "--data-dir" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_unreachable_mirror_is_named(tmp_path):
    nobody = Publication("mnist", "MNIST", ("http://127.0.0.1:1/",), PUBLISHED["mnist"].sha256)
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:1/: connection refused"):
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
    assert load_images(str(tmp_path / "cache")).train_images.shape == (40, 10, 12)


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
    first = load_images("mnist")
    assert (download_folder() / "mnist" / "train-images-idx3-ubyte.gz").is_file()
    server.asked.clear()
    assert load_images("mnist").fingerprint == first.fingerprint
    assert server.asked == []


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_publication_has_two_mirrors_and_the_four_files(name):
    publication = PUBLISHED[name]
    assert len(publication.mirrors) >= 2
    assert all(mirror.endswith("/") for mirror in publication.mirrors)
    assert list(publication.sha256) == list(PUBLISHED["mnist"].sha256)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in publication.sha256.values())


ANSWERS = {
    "refused": (403, b"", "403 Forbidden"),
    "not there": (404, b"", "404 Not Found"),
    "a proxy that wants a password": (
        407,
        b"",
        "407 Proxy Authentication Required: give the proxy's user and password",
    ),
    "too often": (429, b"", "429 Too Many Requests: try again later"),
    "broken": (500, b"", "500 Internal Server Error: try again later"),
    "not now": (503, b"", "503 Service Unavailable: try again later"),
    "of its own": (599, b"", "599"),
    "a page": (200, b"<!DOCTYPE html><title>Log in</title>", "a web page in place of the file"),
    "another file": (200, b"another", "not the published file"),
    "nothing": (200, b"", "not the published file"),
    "less than it said": (200, None, "the connection broke off"),
}


@pytest.fixture
def answering():
    """A server that has one answer to everything; returns its address for that answer."""
    servers = []

    def answer(status, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status, "Some\tPhrase")
                self.send_header("Content-Length", str(100 if body is None else len(body)))
                self.end_headers()
                self.wfile.write(body or b"")

            do_CONNECT = do_GET

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/"

    yield answer
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def refused(mirror, folder):
    with pytest.raises(DataError) as caught:
        download(Publication("mnist", "MNIST", (mirror,), PUBLISHED["mnist"].sha256), folder)
    assert "\n" not in str(caught.value)
    assert not folder.is_dir() or list(folder.iterdir()) == []
    return str(caught.value)


@pytest.mark.parametrize("case", ANSWERS)
def test_what_a_mirror_answers_is_told(case, answering, tmp_path):
    status, body, says = ANSWERS[case]
    mirror = answering(status, body)
    assert f"({mirror}: {says}" in refused(mirror, tmp_path / "cache")


@pytest.mark.parametrize("status", [403, 407, 503])
def test_what_a_proxy_answers_is_told(status, answering, tmp_path, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", answering(status, b""))
    assert re.search(
        rf"https://mirror\.invalid/: {status} .*from the proxy", refused("https://mirror.invalid/", tmp_path)
    )
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert "https://mirror.invalid/: the proxy cannot be reached" in refused("https://mirror.invalid/", tmp_path)


def test_a_mirror_whose_name_is_not_known_is_told(tmp_path, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert "its name cannot be found: is there a network?" in refused("http://mirror.invalid/", tmp_path / "cache")


def test_a_mirror_that_is_silent_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(twofold.data.download, "_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert f"{mirror}: no answer in 0.2 s" in refused(mirror, tmp_path / "cache")


def test_a_folder_that_cannot_be_written_is_not_the_mirrors_fault(publication, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot write .* \((Not a directory|File exists)\); free space"):
        download(publication("good"), tmp_path / "file" / "cache")
