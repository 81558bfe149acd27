"""Files that may come from anybody: only our own errors come of them, in a line, whatever is wrong with them."""

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.mutations.readers import READERS, mutate

from twofold.errors import TwofoldError

# Of so many wrong files one is used as well, if it is taken for a right one.
_USED = 10


@pytest.fixture(params=READERS, scope="module")
def reader(request):
    return READERS[request.param]


@pytest.fixture(scope="module")
def valid(reader, tmp_path_factory):
    """A valid file of the reader's, and its content."""
    path = reader.make(tmp_path_factory.mktemp("valid"))
    return path, path.read_bytes()


def test_a_valid_file_is_taken(reader, valid):
    path, content = valid
    path.write_bytes(content)
    reader.use(reader.read(path))


def test_only_our_own_errors_come_of_a_wrong_file(reader, valid):
    path, content = valid

    @settings(max_examples=reader.few, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(seed=st.integers(0, 2**32))
    def read_wrong(seed):
        with path.open("wb") as file:
            file.write(content)
        for ending in ("-wal", "-shm", "-journal"):
            path.with_name(f"{path.name}{ending}").unlink(missing_ok=True)
        mutate(path, reader, seed)
        try:
            read = reader.read(path)
            if seed % _USED == 0:
                reader.use(read)
        except TwofoldError as error:
            told = str(error)
            assert len(told.splitlines()) == 1
            assert len(told) < 2000

    read_wrong()
