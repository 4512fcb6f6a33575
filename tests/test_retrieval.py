"""How well sections are found: questions in words of their own over the shipped notes."""

from tests.benchmarks.retrieval import compare
from tests.conftest import questions


def test_fused_retrieval_beats_either_ranking_alone(shipped, capsys):
    asked = [entry for entry in questions() if entry.get("answerable", True)]
    assert len(asked) >= 60
    table = compare(shipped.store, asked)
    with capsys.disabled():
        print(f"\n{len(asked)} questions over knowledge/notes", *map(str, table), sep="\n  ")
    by_name = {row.name: row for row in table}
    for alone in ("dense", "full-text"):
        assert by_name["fused"].hit_at_1 > by_name[alone].hit_at_1
        assert by_name["fused"].mrr > by_name[alone].mrr
    assert by_name["fused"].hit_at_1 > by_name["without late interaction"].hit_at_1
    assert by_name["fused"].hit_at_3 > 0.9
