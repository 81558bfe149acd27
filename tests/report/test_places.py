"""Places to write to: refused before any work, and nothing is left behind by the look."""

import os
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from twofold.errors import SettingError
from twofold.report.places import check_file, check_folder, write_file
from twofold.results import Store

AS_ROOT = os.geteuid() == 0


@pytest.mark.parametrize("place", ["", "new", "new/and/below"])
def test_a_folder_that_can_be_made_is_not_made_yet(place, tmp_path):
    check_folder(tmp_path / place)
    check_file(tmp_path / place / "page.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/below", "link", "link/below", "n" * 300])
def test_a_folder_that_cannot_be_made_is_named_with_its_option(place, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere/at/all")
    with pytest.raises(SettingError, match=r"`figures` \(=.*\) cannot be written \(.+\); name another folder"):
        check_folder(tmp_path / place, "figures")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link"]


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SettingError, match="Permission denied"):
            check_folder(tmp_path / "new")
    finally:
        tmp_path.chmod(0o700)


def test_a_file_that_is_a_folder_is_named(tmp_path):
    with pytest.raises(SettingError, match=r"`out` \(=.*\) cannot be written \(a folder has that name\); name another"):
        check_file(tmp_path)


def test_a_file_is_written_whole_with_what_is_said_of_it(tmp_path):
    file = tmp_path / "below" / "page.html"
    assert write_file(file, b"one") == f"wrote {file}"
    assert write_file(file, b"two") == f"replaced {file}"
    assert file.read_bytes() == b"two"
    assert [path.name for path in file.parent.iterdir()] == ["page.html"]
    assert file.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_bytes(b"one")
    (tmp_path / "link").symlink_to("real")
    write_file(tmp_path / "link", b"two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"two"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_replaced_file_keeps_its_rights(mode, tmp_path):
    file = tmp_path / "page.html"
    file.write_bytes(b"one")
    file.chmod(mode)
    write_file(file, b"two")
    assert file.stat().st_mode & 0o777 == mode


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files to others")
def test_a_replaced_file_keeps_its_owner(tmp_path):
    (tmp_path / "page.html").write_bytes(b"one")
    os.chown(tmp_path / "page.html", 65534, 65534)
    write_file(tmp_path / "page.html", b"two")
    assert (tmp_path / "page.html").stat().st_uid == 65534


@pytest.mark.skipif(not AS_ROOT, reason="only root can become a user without rights, to see what that one may do")
def test_what_may_not_be_written_is_refused(monkeypatch):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "mine").mkdir(mode=0o777)
        (folder / "mine").chmod(0o777)
        (folder / "mine" / "page.html").touch(0o644)
        (folder / "mine" / "figure2.png").touch(0o644)
        os.setresuid(65534, 65534, 0)
        try:
            for file in (folder / "page.html", folder / "new" / "page.html", folder / "mine" / "page.html"):
                with pytest.raises(SettingError, match="Permission denied"):
                    check_file(file)
            with pytest.raises(SettingError, match=r"figure2\.png may not be written"):
                check_folder(folder / "mine")
            check_file(folder / "mine" / "other.html")
        finally:
            os.setresuid(0, 0, 0)


def test_a_page_does_not_replace_a_store(tmp_path):
    Store(tmp_path / "twofold.db")
    with pytest.raises(SettingError, match="a database has that name"):
        check_file(tmp_path / "twofold.db")


@pytest.mark.parametrize("name", ["n" * 256, "d" * 256 + "/page.html", "loop", "file/page.html", "nowhere/\0"])
def test_a_file_that_cannot_be_made_is_named(name, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match=r"`out` \(=.*\) cannot be written \(.+\); name another file"):
        check_file(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop"]


def test_a_name_as_long_as_can_be_is_written(tmp_path):
    file = tmp_path / ("n" * 255)
    check_file(file)
    assert write_file(file, b"one") == f"wrote {file}"


def test_a_disk_that_fills_up_leaves_the_old_file(tmp_path):
    file = tmp_path / "page.html"
    write_file(file, b"one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(SettingError, match="File too large"):
            check_file(file)
        with pytest.raises(SettingError, match="File too large"):
            check_folder(tmp_path)
        with pytest.raises(OSError, match="File too large"):
            write_file(file, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert file.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("redirected", ["> page", ">> page", "| cat > page"])
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_standard_output_may_be_the_file(name, redirected, tmp_path):
    program = """
import sys
from pathlib import Path
from twofold.report.places import check_file, write_file
check_file(Path(sys.argv[1]))
print(write_file(Path(sys.argv[1]), b"two"), file=sys.stderr)
"""
    (tmp_path / "page").write_bytes(b"one,")
    (tmp_path / "link").symlink_to("/dev/stdout")
    command = f"{shlex.join([sys.executable, '-c', program, name])} {redirected}"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == f"wrote {name}\n"
    assert (tmp_path / "page").read_bytes() == (b"one,two" if redirected.startswith(">>") else b"two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "page"]


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no such folder")
def test_a_file_in_memory_is_a_file():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        file = Path(folder) / "page.html"
        assert write_file(file, b"one") == f"wrote {file}"
        check_file(file)
        assert write_file(file, b"two") == f"replaced {file}"
        assert file.read_bytes() == b"two"
        Store(file.with_name("twofold.db"))
        with pytest.raises(SettingError, match="a database has that name"):
            check_file(file.with_name("twofold.db"))


def test_a_device_that_is_full_is_told(tmp_path):
    with pytest.raises(OSError, match="No space left"):
        write_file(Path("/dev/full"), b"two")


def test_what_is_no_file_is_written_to_as_it_is():
    null = Path(os.devnull)
    check_file(null)
    assert write_file(null, b"gone") == f"wrote {null}"
    assert not null.is_file()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
