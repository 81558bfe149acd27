"""Places to write to: refused before any work, and nothing is left behind by the look."""

import os
from pathlib import Path

import pytest

from twofold.errors import SettingError
from twofold.report.places import check_file, check_folder, write_file

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


def test_what_is_no_file_is_written_to_as_it_is():
    null = Path(os.devnull)
    check_file(null)
    assert write_file(null, b"gone") == f"wrote {null}"
    assert not null.is_file()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
