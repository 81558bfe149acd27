"""The search journal of a store: entries in one order for all, however many write at once."""

from concurrent.futures import ThreadPoolExecutor

from twofold.results import Store


def test_entries_come_back_in_order_and_from_a_number_on(tmp_path):
    store = Store(str(tmp_path / "s.db"))
    assert store.read_journal() == []
    store.append_journal([{"a": 1}, {"b": [1.5, None, "x"]}])
    store.append_journal([{"c": {"d": True}}])
    assert store.read_journal() == [{"a": 1}, {"b": [1.5, None, "x"]}, {"c": {"d": True}}]
    assert Store(str(tmp_path / "s.db")).read_journal(2) == [{"c": {"d": True}}]


def test_writers_at_once_lose_nothing_and_keep_their_entries_together(tmp_path):
    path = str(tmp_path / "s.db")
    Store(path)

    def write(writer):
        store = Store(path)
        for turn in range(10):
            store.append_journal([{"writer": writer, "turn": turn, "part": part} for part in (0, 1)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    entries = Store(path).read_journal()
    assert len(entries) == 4 * 10 * 2
    for first, second in zip(entries[::2], entries[1::2], strict=True):
        assert (first["part"], second["part"]) == (0, 1)
        assert (first["writer"], first["turn"]) == (second["writer"], second["turn"])
    for writer in range(4):
        turns = [e["turn"] for e in entries if e["writer"] == writer and e["part"] == 0]
        assert turns == list(range(10))
