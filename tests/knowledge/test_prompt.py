from knowledge.evidence import about_as_good, excerpts, gather
from knowledge.prompt import NOT_IN_NOTES, Passage, build_prompt, read_reply, write_reply
from tests.conftest import HOUSE


def test_passages_are_numbered_and_the_question_stands_last():
    prompt = build_prompt("Who?", [Passage("Boiler", ("Hansen does it.", "Every May.")), Passage("Roof", ())], 1000)
    assert prompt.user == "[1] Boiler\nHansen does it.\nEvery May.\n[2] Roof\nQuestion: Who?"


def test_lines_that_do_not_fit_are_left_out_and_the_numbers_stay():
    long = tuple(f"Fact {number} says something. " * 5 for number in range(20))
    prompt = build_prompt("what is fact 7? " + "und so weiter " * 500, [Passage("Ä" * 900, long)] * 3, 1500)
    assert len((prompt.system + prompt.user).encode()) <= 1500
    assert all(f"[{number}] Ä" in prompt.user for number in (1, 2, 3))
    assert prompt.user.count("Question: what is fact 7?") == 1


def test_a_reply_is_read_as_it_is_written():
    assert read_reply(write_reply("Hansen & Sons", [2])) == ("Hansen & Sons", [2])
    assert read_reply("In May [1][3].") == ("In May.", [1, 3])
    assert write_reply("", []) == NOT_IN_NOTES


def test_a_model_reads_the_best_lines_of_the_sections_that_match_and_hears_of_their_links(add, store):
    add(HOUSE)
    found = gather("who looks after the boiler?", store)
    [first, *_] = [each.passage for each in excerpts(about_as_good(found.sections), found.scored)]
    assert first.heading == "Boiler service"
    assert first.lines[0] == "The boiler is serviced by Hansen & Sons every October."
    assert first.lines[-1] == "Links: contract"
    sections = [hit for hit in gather("bread", store).sections if "bread" in hit.chunk.heading_path[-1]]
    [bread] = excerpts(sections, ())
    assert bread.units == ()
