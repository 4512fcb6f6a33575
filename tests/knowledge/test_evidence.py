import pytest

from knowledge.documents import Chunk
from knowledge.evidence import Excerpt, cells, choose, enumeration, gather, lines_of, plain, units


def chunk_of(text, first_line=1):
    last = first_line + 1 + text.count("\n")
    return Chunk(source="n.md", title="n", heading_path=("H",), lines=(first_line, last), text=text)


def test_units_are_sentences_items_code_and_links_with_their_lines():
    chunk = chunk_of(
        "First sentence. Second one, which fills its line to the right margin\ngoes on here.\n\n"
        "- item one\n  goes on\n- item two\n[link](https://a.example)\n\n"
        "```\ncode. here\n```\n| a | b |\n|---|---|\n| c | d |\nHard break.\\\nNext line\n"
    )
    found = [(unit.kind, unit.text, unit.lines) for unit in units(chunk)]
    assert found == [
        ("sentence", "First sentence.", (2, 2)),
        ("sentence", "Second one, which fills its line to the right margin\ngoes on here.", (2, 3)),
        ("item", "- item one\n  goes on", (5, 6)),
        ("item", "- item two", (7, 7)),
        ("links", "[link](https://a.example)", (8, 8)),
        ("code", "```\ncode. here\n```", (10, 12)),
        ("item", "| c | d |", (15, 15)),
        ("sentence", "Hard break.", (16, 16)),
        ("sentence", "Next line", (17, 17)),
    ]


def test_code_in_a_list_is_code_and_a_line_that_begins_with_a_code_span_is_not():
    code = "```bash\n    pip install kornia\n    # Then run it. Twice.\n    ```"
    text = f"1.  Install it:\n\n    {code}\n\n```` ``` ```` opens it. Then write.\n\n``` foo``` is a command.\n- end\n"
    assert [(unit.kind, unit.text) for unit in units(chunk_of(text))] == [
        ("item", "1.  Install it:"),
        ("code", code),
        ("sentence", "```` ``` ```` opens it."),
        ("sentence", "Then write."),
        ("sentence", "``` foo``` is a command."),
        ("item", "- end"),
    ]


def test_a_line_of_tags_says_nothing():
    chunk = chunk_of("#garden #plot/47\n\nIssue #12 is open.\n\n- #todo\n- #todo mow\n\n#hiring\n")
    assert [unit.text for unit in units(chunk)] == ["Issue #12 is open.", "- #todo", "- #todo mow"]


def test_a_row_carries_the_header_of_its_table():
    chunk = chunk_of(
        "| Tap | Bar |\n|:--|--:|\n| hot \\| cold | 2 |\n\n| stray | row |\n\n"
        "Lens | Width\n---|---\nwide | 35 mm\nEnd.\n"
    )
    assert [unit.said for unit in units(chunk)] == [
        "Tap · Bar: hot | cold · 2", "stray · row", "Lens | Width: wide | 35 mm", "End.",
    ]  # fmt: skip
    assert cells(units(chunk)[0].text) == ("hot | cold", "2")
    rows = Excerpt(chunk, tuple(units(chunk)[:2])).passage.lines
    assert rows == ("Tap · Bar", "hot | cold · 2", "stray · row"), "a model reads the header once"


MATRIX = "$$\n\\begin{aligned}\n- a + b &= 1. \\\\\n| c | &= 2, \\text{ Then } d\n\\end{aligned}\n$$"


QUICK = "Backup box in the old darkroom\nmails only on failure. takes 40 min\nkey: drawer 2"
WRAPPED = (
    "The box in the old darkroom takes a copy of everything at night, and of\n"
    "the pupils' homes at noon too. It mails only where something went\nwrong."
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (QUICK, ["Backup box in the old darkroom", "mails only on failure. takes 40 min", "key: drawer 2"]),
        (WRAPPED, WRAPPED.replace("\n", " ").replace("too. ", "too.|").split("|")),
        ("- nightly\n- homes: yes\nmails only on failure", ["nightly", "homes: yes", "mails only on failure"]),
        ("Bought for the lab and\nnever used", ["Bought for the lab and never used"]),
    ],
)
def test_lines_of_quick_notes_are_units_and_those_of_a_wrapped_text_are_not(text, said):
    found = [unit.said for unit in units(chunk_of(text))]
    assert found == said


@pytest.mark.parametrize(
    "text",
    [
        f"Intro.\n  \n{WRAPPED}",
        f"{WRAPPED}\n[docs](https://a.example/x)",
        f"#garden\n{WRAPPED}",
        f"{WRAPPED}\n^block-id",
        "> [!note]\n" + "\n".join(f"> {line}" for line in WRAPPED.split("\n")),
        f"It is dry.\n{WRAPPED}",
    ],
)
def test_short_lines_that_are_no_text_cut_no_wrapped_text(text):
    found = [unit.said for unit in units(chunk_of(text))]
    assert any(said.endswith("of the pupils' homes at noon too.") for said in found)


def test_a_formula_is_never_cut_and_stays_what_it_is():
    text = (
        f"Where $x_{{1}} = 1. Q_{{2}} = 2$ holds.\n{MATRIX}\n\n"
        "**So $y_{1}$ and** \\(z_{1} = 3. W\\) hold. It is $50. Or $60.\n"
    )
    assert [unit.said for unit in units(chunk_of(text))] == [
        "Where $x_{1} = 1. Q_{2} = 2$ holds.",
        " ".join(MATRIX.split()),
        "So $y_{1}$ and \\(z_{1} = 3. W\\) hold.",
        "It is $50.",
        "Or $60.",
    ]


def test_dollars_of_code_are_no_formula():
    text = "Set `$PATH` first:\n\n```bash\nA=$(x)\n```\n"
    assert [unit.kind for unit in units(chunk_of(text))] == ["sentence", "code"]


def test_units_are_verbatim():
    text = "Some **bold** words. And `code`.\n\n1. one\n2. two\n"
    chunk = chunk_of(text)
    assert all(unit.text == text[unit.start : unit.end] for unit in units(chunk))


def test_lines_count_from_where_the_chunk_ends():
    chunk = chunk_of("a\nb\nc", first_line=10)
    assert lines_of(chunk, 0, 1) == (11, 11)
    assert lines_of(chunk, 2, 5) == (12, 13)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("- **Bold** and *thin*\\", "Bold and thin"),
        ("3. third", "third"),
        ("- [ ] a task", "a task"),
        ("the case is 1 / (1 + 25x) - done", "the case is 1 / (1 + 25x) - done"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ("set `__init__`, `*args` and `[[ -f x ]]` **now**", "set `__init__`, `*args` and `[[ -f x ]]` now"),
        ("**call `f(*a)`** where `` a ` *b* `` is $x_1 = `y_2`$", "call `f(*a)` where `` a ` *b* `` is $x_1 = `y_2`$"),
        ("| a | b |", "a · b"),
        ("two\nlines", "two lines"),
        ("> [!tip] Keep the [[Sourdough|starter]] cold ^fridge", "Keep the starter cold"),
        ("see [[Rye bread]]", "see Rye bread"),
    ],
)
def test_a_unit_reads_as_a_sentence(text, shown):
    assert plain(text) == shown


def best_units(question, store):
    evidence = gather(question, store)
    return choose(evidence.sections[0], evidence)


LONG = "It was a long day at the office and much was said about many things that matter to nobody. " * 6


def test_the_sentence_that_answers_is_the_best(add, store):
    add(f"## Boiler\n{LONG}\nThe boiler is serviced by Hansen & Sons every October. {LONG}\n## Roof\nSlate tiles.\n")
    chosen = best_units("who services the boiler?", store)
    assert chosen[0].unit.text == "The boiler is serviced by Hansen & Sons every October."


def test_a_list_comes_whole_with_its_introduction(add, store):
    add(f"## Packing\n{LONG}\n\nFor the mountains take:\n\n- warm socks\n- a headlamp\n- matches\n\n{LONG}\n")
    texts = [item.unit.text for item in best_units("what should I take for the mountains?", store)]
    assert {"For the mountains take:", "- warm socks", "- a headlamp", "- matches"} <= set(texts)


def test_a_list_answers_as_a_whole_unless_one_item_stands_out(add, store):
    kinds = "- covariate: inputs move\n- prior: target moves\n- concept: relation\n"
    add(f"## Drift\n{LONG}\n\nThe kinds of drift are:\n\n{kinds}")
    listed = enumeration(best_units("which kinds of drift are there?", store))
    assert [plain(item.unit.text) for item in listed] == [
        "The kinds of drift are:", "covariate: inputs move", "prior: target moves", "concept: relation",
    ]  # fmt: skip
    assert enumeration(best_units("what is covariate drift in the inputs?", store)) == []


def test_a_section_of_links_alone_has_nothing_to_quote(add, store):
    add("## Great bread videos\n[link](https://a.example/bread)\n")
    evidence = gather("bread videos", store)
    assert evidence.sections[0].chunk.links
    assert choose(evidence.sections[0], evidence) == []


def test_no_evidence_without_notes(store):
    assert gather("anything", store).hits == ()


PASSAGE = (
    "The boiler is serviced by Hansen & Sons every October, who also clean the burner and look at the pump. Ask for "
    "Mrs Hansen when the pressure falls, and keep the red valve in the cellar shut until she has come and gone again."
)


@pytest.mark.parametrize(
    ("heading", "text", "is_read"),
    [
        ("Boiler service", PASSAGE, False),
        ("A page on boilers", f"*  {PASSAGE.replace(' ', '  ').upper()}", False),
        ("Boiler service", PASSAGE.replace("red", "blue"), False),
        ("Boiler service", PASSAGE.replace("every October", "on 3 May"), True),
        ("Boiler service", PASSAGE.replace("red valve in the cellar", "door of the boiler in the attic"), True),
        ("Boiler service", f"{PASSAGE} {PASSAGE.replace('boiler', 'roof').replace('Hansen', 'Miller')}", True),
    ],
)
def test_what_stands_in_two_notes_is_read_once_and_found_twice(add, store, heading, text, is_read):
    add(f"## Boiler service\n{PASSAGE}\n", "a.md")
    add(f"## {heading}\n{text}\n## Bike\nPump the tyres to 6 bar.\n", "b.md")
    evidence = gather("who services the boiler?", store)
    assert len(evidence.hits) == 3
    read = [section.chunk.heading for section in evidence.sections]
    assert len(read) == 2 + is_read
    assert read[-1] == "Bike", "what follows moves up"


def test_short_sections_say_the_same_only_under_the_same_heading(add, store):
    add("## Boiler\nServiced by Hansen.\n## Roof\nServiced by Hansen.\n", "a.md")
    add("## Boiler\nServiced by Hansen.\n", "b.md")
    read = [section.chunk.heading for section in gather("what does Hansen service?", store).sections]
    assert sorted(read) == ["Boiler", "Roof"]
