import random
import time

import pytest

from ingest.decode import decode
from ingest.readers.table import read_table

PEOPLE = '''\
Name,Phone,Notes
"Lee, Ann",0123 456,"Likes tea.
Met at https://meet.example."

Bob,,"says ""hi"""
Carl,789,x,extra
'''


def rows(text, delimiter=None):
    reading = read_table(text, delimiter)
    return [reading.text[section.start : section.end] for section in reading.sections]


def assert_sound(reading):
    ends = [0, *(place for section in reading.sections for place in (section.start, section.end)), len(reading.text)]
    assert ends == sorted(ends)
    starts = [section.start for section in reading.sections]
    assert [offset for offset, _ in reading.places] == starts
    assert all(section.heading_path[0] for section in reading.sections)


def test_every_row_is_a_passage_that_says_what_its_values_are():
    assert rows(PEOPLE) == [
        "Name: Lee, Ann\nPhone: 0123 456\nNotes: Likes tea.\nMet at https://meet.example.\n",
        'Name: Bob\nNotes: says "hi"\n',
        "Name: Carl\nPhone: 789\nNotes: x\ncolumn 4: extra\n",
    ]


def test_a_row_goes_by_its_first_value_and_by_the_number_that_a_spreadsheet_shows():
    reading = read_table(PEOPLE, None)
    assert [section.heading_path for section in reading.sections] == [("Lee, Ann",), ("Bob",), ("Carl",)]
    assert [str(place) for _, place in reading.places] == ["row 2", "row 4", "row 5"]
    assert [section.first_line for section in reading.sections] == [0, 4, 6]


def test_a_long_value_makes_a_short_heading():
    [section] = read_table("a,b\n" + "many words " * 50 + ",1\n", None).sections
    assert len(section.heading_path[0]) <= 80
    assert section.heading_path[0].startswith("many words many")
    [section] = read_table('a,b\n,"two\nlines"\n', None).sections
    assert section.heading_path == ("two lines",)


def test_links_are_known_with_their_lines():
    assert [(line, link.url) for line, link in read_table(PEOPLE, None).links] == [(3, "https://meet.example")]


@pytest.mark.parametrize(
    "text",
    [
        "name,size\na,1\nb,2\n",
        "name;size\na;1\nb;2\n",
        "name\tsize\na\t1\nb\t2\n",
        "name|size\na|1\nb|2\n",
        "sep=;\nname;size\na;1\nb;2\n",
        "name , size\n a , 1 \nb,2",
        "name,size\r\na,1\r\nb,2\r\n",
    ],
    ids=["comma", "semicolon", "tab", "bar", "told", "spaces", "windows"],
)
def test_the_delimiter_is_found(text):
    assert rows(text) == ["name: a\nsize: 1\n", "name: b\nsize: 2\n"]


def test_commas_in_numbers_and_sentences_are_no_delimiters():
    assert rows("1,5;2,5\n3,5;4,5\n") == ["column 1: 1,5\ncolumn 2: 2,5\n", "column 1: 3,5\ncolumn 2: 4,5\n"]
    assert rows("what;when\nbread, milk;today\neggs, ham;now\n")[1] == "what: eggs, ham\nwhen: now\n"


def test_a_given_delimiter_is_not_guessed():
    assert rows("a,b\tc\nd,e\tf\n", "\t") == ["a,b: d,e\nc: f\n"]


def test_a_first_row_of_numbers_is_no_header():
    assert rows("1,2.5\n3,-4\n") == ["column 1: 1\ncolumn 2: 2.5\n", "column 1: 3\ncolumn 2: -4\n"]
    assert rows("Country,2023,2024\nPeru,1,2\n") == ["Country: Peru\n2023: 1\n2024: 2\n"]


def test_columns_without_a_name_are_counted_and_twins_keep_theirs():
    assert rows("Name,,Phone,Phone\nAnn,x,1,2\n") == ["Name: Ann\ncolumn 2: x\nPhone: 1\nPhone: 2\n"]


def test_a_table_that_is_only_a_header_is_kept():
    assert rows("Name,Phone\n") == ["column 1: Name\ncolumn 2: Phone\n"]


def test_a_lone_quote_does_not_swallow_the_rows_below():
    assert rows('Name,Size\nPipe,5" wide\n"Hose,3\nBolt,1\n"Nut, big",2\n') == [
        'Name: Pipe\nSize: 5" wide\n',
        'Name: "Hose\nSize: 3\n',
        "Name: Bolt\nSize: 1\n",
        "Name: Nut, big\nSize: 2\n",
    ]


def test_a_nul_is_no_obstacle():
    assert rows("a,b\nx\0y,1\n") == ["a: x\ufffdy\nb: 1\n"]


def test_a_long_name_of_a_column_is_not_repeated_in_full():
    reading = read_table("h" * 1_000_000 + ",b\n" + "1,2\n" * 1_000, None)
    assert len(reading.text) < 200_000


def noisy(sample, count=200):
    """Variants of a sample: cut short, and with bytes replaced."""
    dice = random.Random(7)
    for _ in range(count):
        data = bytearray(sample[: dice.randrange(len(sample))])
        for _ in range(dice.randrange(20) if data else 0):
            data[dice.randrange(len(data))] = dice.choice(b'\n\r\t",;|\x01\xff\xc3x')
        yield bytes(data)


def test_broken_tables_are_read_all_the_same():
    for data in noisy(PEOPLE.encode() * 3):
        assert_sound(read_table(decode(data), None))


@pytest.mark.parametrize("text", ["", "\n", ",", '"', '""', "x", "\0", "sep=;\n", "\r"])
def test_next_to_nothing(text):
    assert_sound(read_table(text, None))


@pytest.mark.parametrize(
    "text",
    [
        "Name,Phone,City\n" + "".join(f"Person {n},{n},Town {n % 7}\n" for n in range(100_000)),
        'a,b\n"' + "x" * 5_000_000 + '",1\n',
        "x" * 5_000_000,
        "a," * 1_000_000 + "\n" + "b," * 1_000_000,
        '"' * 5_000_000,
        '"a,1\n' * 300_000,
        '"\n' + 'a""b\n' * 300_000,
        ('"\n' + 'a""b\n' * 10 + '"x"y",2\n') * 20_000,
        "1" * 5_000_000 + "x,1\n2,3\n",
    ],
    ids=["rows", "cell", "line", "columns", "quotes", "open quotes", "doubled quotes", "odd quotes", "digits"],
)
def test_hostile_tables_are_read_in_bounded_time(text):
    started = time.monotonic()
    assert_sound(read_table(text, None))
    assert time.monotonic() - started < 60
