"""Records survive torn lines, several writers at once, and any path."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from exrbatch.journal.records import append, line_of, list_fields, path_fields, read_list, read_path, read_records

RECORDS = st.builds(
    lambda kind, text: {"type": kind, "path": text}, st.sampled_from(["run", "file", "status", "summary"]), st.text()
)


@given(st.lists(st.tuples(RECORDS, st.booleans(), st.integers(0, 200), st.booleans()), max_size=6))
def test_every_complete_record_is_read_although_others_are_torn(
    lines: list[tuple[dict[str, str], bool, int, bool]],
) -> None:
    """A torn record may end without a line break, and a good one follows it on the same line."""
    stream = io.BytesIO()
    for record, is_torn, cut, has_break in lines:
        line = line_of(record)
        torn = line[: min(cut, len(line) - 2)] + (b"\n" if has_break else b"")
        stream.write(torn if is_torn else line)
    stream.seek(0)
    assert list(read_records(stream)) == [record for record, is_torn, *_ in lines if not is_torn]


@given(st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name))
def test_any_path_comes_back_as_the_same_bytes(name: bytes) -> None:
    path = os.fsdecode(name)
    record = json.loads(json.dumps({**path_fields("path", path), **list_fields("roots", [path, "/a"])}))
    assert read_path(record, "path") == path
    assert read_list(record, "roots") == [path, "/a"]


def test_other_types_are_left_out() -> None:
    stream = io.BytesIO(b"".join(line_of({"type": kind}) for kind in ("run", "replacing", "file", "summary")))
    assert [record["type"] for record in read_records(stream, only=("run", "file"))] == ["run", "file"]


def test_processes_that_append_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """Each record is one call, so lines never mix."""
    journal = tmp_path / "journal"
    journal.touch()
    script = (
        "import sys\nfrom exrbatch.journal.records import append\n"
        "for n in range(200):\n"
        "    append(sys.argv[1], {'type': 'replacing', 'from': sys.argv[2], 'n': n, 'fill': 'x' * 3000})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(journal), str(index)]) for index in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    append(str(journal), {"type": "summary"})
    with journal.open("rb") as stream:
        records = list(read_records(stream))
    assert len(records) == 3 * 200 + 1
    for index in range(3):
        assert [each["n"] for each in records if each.get("from") == str(index)] == list(range(200))
