# ruff: noqa: RUF001 - scripts with look-alike letters are the point
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vane.catalogue import Item
from vane.search import (
    CORRECTED,
    EXACT_TITLE,
    IN_TITLE,
    QUERY_WORDS_MAX,
    TASTE,
    TERM_CHARS_MAX,
    Word,
    blended_score,
    correction,
    edit_distance,
    index_row,
    lexical_score,
    match_query,
    may_be_misspelt,
    parse_query,
    rank_query,
    swapped,
    title_hash,
    trigrams,
    words,
)

LITERAL = re.compile(r"'[^'\\]+'")


def texts(text: str) -> list[str]:
    return [word.text for word in words(text)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Škoda", "skoda"),
        ("STRASSE", "straße"),
        ("İstanbul", "istanbul"),
        ("Łódź", "lodz"),
        ("Ørsted æther", "orsted aether"),
        ("ΟΔΥΣΣΕΥΣ", "Οδυσσεύς"),
        ("МОСКВА Ёлка", "москва елка"),
        ("ＡＢＣ ﬁne", "abc fine"),
        ("مُدُن", "مدن"),
        ("so\u00adft\u200b", "soft"),
        ("Vane™", "vane"),
        ("a\0b", "a b"),
        ("o’clock", "o'clock"),
    ],
)
def test_spellings_of_one_word_are_equal(one: str, other: str) -> None:
    assert words(one) == words(other)


def test_marks_that_are_letters_stay() -> None:
    assert texts("हिन्दी ไทย 서울") == ["हिनदी", "ไทย", "서울"]


def test_joined_words_count_alone_and_together() -> None:
    assert words("CR-V") == [Word("crv", ("cr", "v"))]
    assert words("--") == []
    assert words("-a-") == [Word("a", ("a",))]


def test_scripts_without_spaces_are_pairs() -> None:
    assert words("東京タワー") == [Word("東京タワー", ("東京", "京タ", "タワ", "ワー"))]
    assert words("車") == [Word("車", ("車",))]
    assert words("BMW車両")[0].parts == ("bmw", "車両")


@given(st.text(max_size=300))
def test_no_text_breaks_out_of_its_literals(text: str) -> None:
    query = parse_query(text)
    assert len(query) <= QUERY_WORDS_MAX
    for made in (match_query(query), match_query(query, every=False), rank_query(query)):
        assert set(LITERAL.sub("", made)) <= set(" &|()*:")
    for word in query:
        assert all(1 <= len(term) <= TERM_CHARS_MAX for term in (word.text, *word.parts))


def test_a_term_has_the_weight_of_its_best_field() -> None:
    item = Item(
        item_id="i",
        title="Octavia",
        category="cars",
        tags=["octavia", "red"],
        description="Octavia, cars, 2011",
    )
    terms = dict(part.rsplit(":1", 1) for part in index_row(item).terms.split())
    assert (terms["'octavia'"], terms["'cars'"], terms["'2011'"]) == ("A", "B", "D")
    assert (terms["'^o'"], terms["'^oc'"], terms["'=octavia'"]) == ("C", "C", "D")
    assert not {"'^2'", "'^c'", "'=cars'"} & set(terms)
    assert index_row(item).vocabulary == {"octavia", "cars", "red"}


def test_an_item_without_words_has_no_title_hash() -> None:
    assert index_row(Item(item_id="i", title="!!")) == (None, "", frozenset())
    assert title_hash(words("A B")) == title_hash(words("a  b!")) != title_hash(words("ab"))


def test_long_words_are_whole_and_short_ones_edges() -> None:
    assert match_query(parse_query("skod")) == "'skod':*"
    assert match_query(parse_query("sk")) == "('sk' | '^sk')"
    assert match_query(parse_query("bmw x5"), mark=IN_TITLE) == "'=bmw':* & ('=x5' | '^x5')"
    assert match_query(parse_query("one two"), every=False) == "'one':* | 'two':*"
    assert match_query(parse_query("xc-ninety")) == "(('xc' | '^xc') & 'ninety':* | 'xcninety':*)"


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("", "ab", 2), ("bwm", "bmw", 1), ("scoda", "skoda", 1), ("octvia", "octavia", 1),
     ("kitten", "sitting", 3), ("abc", "cba", 2)],
)  # fmt: skip
def test_edit_distance(one: str, other: str, edits: int) -> None:
    assert edit_distance(one, other) == edit_distance(other, one) == edits


WORD = st.text("abc", max_size=7)


@given(WORD, WORD)
def test_edit_distance_is_bounded_by_the_lengths(one: str, other: str) -> None:
    distance = edit_distance(one, other)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))
    assert (distance == 0) == (one == other)


def test_trigrams_and_swaps() -> None:
    assert trigrams("bmw") == ["  b", " bm", "bmw", "mw "]
    assert swapped("bwm") == ["wbm", "bmw"]
    assert swapped("aa") == []


def test_a_correction_is_the_closest_known_term_and_then_the_most_used() -> None:
    (word,) = words("scoda")
    assert correction(word, {"skoda": 90, "soda": 3, "scooter": 99}) == Word(
        "skoda", ("skoda",), corrected=True
    )
    assert correction(word, {"skoda": 0, "scouting": 5}) is None
    swap = correction(words("bwm")[0], {"bmw": 9, "bam": 1})
    assert swap is not None
    assert swap.text == "bmw"


def test_a_short_word_may_have_one_mistake() -> None:
    assert correction(words("vovo")[0], {"lava": 9}) is None
    assert correction(words("renolt")[0], {"renault": 9}) is not None


@pytest.mark.parametrize("text", ["x5", "bm", "208", "東京都", "cr-v"])
def test_numbers_pairs_and_short_words_are_not_corrected(text: str) -> None:
    assert not may_be_misspelt(words(text)[0])


def test_scores_follow_the_field_and_how_much_of_the_word_there_is() -> None:
    query = words("octavia")
    exact = lexical_score(query, "Octavia", [])
    title = lexical_score(query, "Skoda Octavia", [])
    prefix = lexical_score(words("octav"), "Skoda Octavia", [])
    label = lexical_score(query, "Skoda", ["Octavia"])
    description = lexical_score(query, "Skoda", ["cars"])
    assert exact > title > prefix > label > description > 0
    assert exact - title > EXACT_TITLE
    corrected = lexical_score([Word("octavia", ("octavia",), corrected=True)], "Skoda", ["Octavia"])
    assert corrected == pytest.approx(CORRECTED * label)


def test_no_taste_overtakes_an_exact_title() -> None:
    query = words("skoda octavia")
    exact = blended_score(lexical_score(query, "Škoda Octavia", []), -1.0)
    assert exact > blended_score(lexical_score(query, "Octavia Skoda", []), 1.0)
    assert blended_score(1.0, 7.0) == pytest.approx(1.0 + TASTE)
    assert blended_score(1.0, None) == 1.0
