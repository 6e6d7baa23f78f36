"""Search: the words of a text, the query for them, corrections of typos, and the score. Pure.

A text is folded: no case, no accents, compatible forms made equal (NFKD). Its words are runs of
letters, digits and their marks. Words joined by a hyphen, an apostrophe or a dot count one by one
and together ("CR-V": cr, v, crv). Scripts without spaces count as overlapping pairs of characters.

In the index each term has the weight of the best field it is in, and one position, so that
PostgreSQL's `ts_rank` of a disjunction is the sum of these weights. A title's terms are there once
more with a mark, so that the index alone finds them.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import xxhash

from vane.catalogue import TEXT_CHARS_MAX, Item

REVISION = 1
"""Raise it with any change of what `index_row` makes of an item: all items are indexed again."""

QUERY_CHARS_MAX = 256
QUERY_WORDS_MAX = 16
"""Further words of a query are not looked for."""
TERM_CHARS_MAX = 64
"""Longer words are cut."""

EDGE_CHARS = 2
"""In titles, beginnings up to this length are terms too, as few letters begin too many words."""
EDGE = "^"
IN_TITLE = "="
"""Marks a term that is in the title."""

RANK_WEIGHTS = (0.1, 0.3, 0.5, 1.0)
"""Of description (D), beginnings (C), category and tags (B), title (A), as `ts_rank` takes them."""

CORRECTABLE_CHARS_MIN = 3
EDITS_MAX = 2
"""Mistakes in a word that are corrected; one in a short word."""
SHORT_WORD_CHARS_MAX = 4

TITLE, LABEL, DESCRIPTION = 1.0, 0.5, 0.1
"""What a word adds to the score by the best field that has it."""
PREFIX, PREFIX_COMPLETE = 0.5, 0.4
"""A beginning of a word counts the first, and up to the second more the more complete it is."""
CORRECTED = 0.8
COVERAGE = 0.2
"""Added where every word of the title was asked for, in parts where some were."""
EXACT_TITLE = 1.0
TASTE = 0.45
"""Times the similarity to the user's taste, from -1 to 1: it never overtakes an exact title."""

_JOINTS = frozenset("-'\u2019\u02bc\u2010\u2011.\u00b7\uff0d")
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
_RUN = re.compile(f"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]+")
_VARIATIONS = range(0xFE00, 0xFE10)
_SPELLED = {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i"}


class _Folding(dict[int, str]):
    """What becomes of each character; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        if unicodedata.combining(char) or category == "Cf" or code in _VARIATIONS:
            folded = ""
        elif category[0] in "LNM":
            folded = char
        else:
            folded = "-" if char in _JOINTS else " "
        self[code] = folded
        return folded


_FOLDING = _Folding({ord(char): spelled for char, spelled in _SPELLED.items()})


@dataclass(frozen=True, slots=True)
class Word:
    """A word, joined words, or a run of a script without spaces.

    Attributes:
        text: all of it.
        parts: the terms that it consists of; the text alone for most words.
        corrected: whether it stands for a misspelt one.
    """

    text: str
    parts: tuple[str, ...]
    corrected: bool = False


class IndexRow(NamedTuple):
    """What the index holds of an item; `terms` as the text of a `tsvector`."""

    title_hash: int | None
    terms: str
    vocabulary: frozenset[str]


def words(text: str) -> list[Word]:
    """The words of a text, in order."""
    return [_word(chunk) for chunk in _fold(text).split() if chunk.strip("-")]


def parse_query(text: str) -> list[Word]:
    """The words that are looked for."""
    return words(text)[:QUERY_WORDS_MAX]


def title_hash(title: Sequence[Word]) -> int | None:
    """64-bit xxh3 of all words, as a signed number; None where there is none."""
    if not title:
        return None
    digest = xxhash.xxh3_64_digest(" ".join(word.text for word in title).encode())
    return int.from_bytes(digest, "big", signed=True)


def index_row(item: Item) -> IndexRow:
    """What the index holds of an item."""
    title = words(item.title)
    titled = _terms(title)
    labelled = _terms(words(" ".join([item.category or "", *item.tags])))
    weights = dict.fromkeys(_terms(words(item.description[:TEXT_CHARS_MAX])), "D")
    weights |= dict.fromkeys((IN_TITLE + term for term in titled), "D")
    weights |= dict.fromkeys(_edges(titled), "C")
    weights |= dict.fromkeys(labelled, "B")
    weights |= dict.fromkeys(titled, "A")
    terms = " ".join(f"'{term}':1{weight}" for term, weight in weights.items())
    vocabulary = frozenset(term for term in titled | labelled if _is_correctable(term))
    return IndexRow(title_hash(title), terms, vocabulary)


def match_query(words: Sequence[Word], *, every: bool = True, mark: str = "") -> str:
    """The `tsquery` for items with every word, or with any; each word may go on.

    Args:
        words: at least one.
        every: whether all are needed.
        mark: IN_TITLE to look in titles alone.
    """
    return (" & " if every else " | ").join(_matches(word, mark) for word in words)


def rank_query(words: Sequence[Word]) -> str:
    """The `tsquery` to rank by: a whole word counts twice."""
    terms = dict.fromkeys(term for word in words for term in (*word.parts, word.text))
    return " | ".join(f"'{term}' | {_beginning(term)}" for term in terms)


def trigrams(term: str) -> list[str]:
    """The runs of three characters in a term with two spaces before and one behind it, sorted."""
    padded = f"  {term} "
    return sorted({padded[at : at + 3] for at in range(len(padded) - 2)})


def trigram_vector(term: str) -> str:
    """The trigrams of a term as the text of a `tsvector`."""
    return " ".join(f"'{gram}'" for gram in trigrams(term))


def trigram_query(term: str) -> str:
    """The `tsquery` for terms that share a trigram with this one."""
    return " | ".join(f"'{gram}'" for gram in trigrams(term))


def swapped(term: str) -> list[str]:
    """The term with two neighbours swapped: a frequent typo that leaves few trigrams."""
    return [
        term[:at] + term[at + 1] + term[at] + term[at + 2 :]
        for at in range(len(term) - 1)
        if term[at] != term[at + 1]
    ]


def may_be_misspelt(word: Word) -> bool:
    """Whether it makes sense to look for another spelling."""
    return len(word.parts) == 1 and _is_correctable(word.text)


def correction(word: Word, candidates: Mapping[str, int]) -> Word | None:
    """The known term that was most likely meant, None where none is close enough.

    Args:
        word: as it was typed.
        candidates: known terms, each with how many items have it.
    """
    limit = 1 if len(word.text) <= SHORT_WORD_CHARS_MAX else EDITS_MAX
    found = [
        (distance, -items, term)
        for term, items in candidates.items()
        if items and (distance := edit_distance(word.text, term)) <= limit
    ]
    if not found:
        return None
    term = min(found)[2]
    return Word(term, (term,), corrected=True)


def edit_distance(one: str, other: str) -> int:
    """Letters to insert, delete, replace or swap with their neighbour to get from one to other."""
    previous: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one):
        before, previous, row = previous, row, [at + 1]
        for to, wanted in enumerate(other):
            cost = min(previous[to] + (letter != wanted), previous[to + 1] + 1, row[to] + 1)
            if at and to and letter == other[to - 1] and wanted == one[at - 1]:
                cost = min(cost, before[to - 1] + 1)
            row.append(cost)
    return row[-1]


def lexical_score(query: Sequence[Word], title: str, labels: Iterable[str]) -> float:
    """How well an item's title, category and tags fit the words, from about 0 to 2.2.

    A word that is in neither counts as found in the description.
    """
    title_words = words(title)
    titled, labelled = _terms(title_words), _terms(words(" ".join(labels)))
    total = sum(_word_score(word, titled, labelled) for word in query)
    asked = {word.text for word in query}
    named = [word.text for word in title_words]
    covered = sum(name in asked for name in named) / len(named) if named else 0.0
    return total / len(query) + COVERAGE * covered + EXACT_TITLE * is_title(query, title)


def is_title(query: Sequence[Word], title: str) -> bool:
    """Whether the words are all of the title, in order."""
    return [word.text for word in words(title)] == [word.text for word in query]


def blended_score(lexical: float, taste: float | None) -> float:
    """The score that orders results; `taste` is None for whoever has none."""
    return lexical if taste is None else lexical + TASTE * max(-1.0, min(1.0, taste))


def _fold(text: str) -> str:
    """Folded words between spaces, with a hyphen for each joint in them."""
    spelled = unicodedata.normalize("NFKD", text.replace("\u2122", " ")).casefold()
    return unicodedata.normalize("NFC", spelled.translate(_FOLDING))


def _word(chunk: str) -> Word:
    pieces = [piece for piece in chunk.split("-") if piece]
    parts = [part for piece in pieces for run in _RUN.findall(piece) for part in _run_parts(run)]
    return Word("".join(pieces)[:TERM_CHARS_MAX], tuple(part[:TERM_CHARS_MAX] for part in parts))


def _run_parts(run: str) -> list[str]:
    if not _IS_UNSPACED.fullmatch(run):
        return [run]
    return [run[at : at + 2] for at in range(max(1, len(run) - 1))]


def _terms(found: Iterable[Word]) -> set[str]:
    return {term for word in found for term in (*word.parts, word.text)}


def _edges(terms: Iterable[str]) -> Iterator[str]:
    for term in terms:
        yield from (EDGE + term[:length] for length in range(1, EDGE_CHARS + 1))
        if _IS_UNSPACED.fullmatch(term):
            yield from (EDGE + char for char in term)


def _is_correctable(term: str) -> bool:
    return (
        len(term) >= CORRECTABLE_CHARS_MIN
        and not any(char.isdigit() for char in term)
        and not _IS_UNSPACED.match(term)
    )


def _matches(word: Word, mark: str) -> str:
    parts = " & ".join(_beginning(part, mark) for part in word.parts)
    return f"({parts} | {_beginning(word.text, mark)})" if len(word.parts) > 1 else parts


def _beginning(term: str, mark: str = "") -> str:
    if len(term) > EDGE_CHARS:
        return f"'{mark}{term}':*"
    return f"('{mark}{term}' | '{EDGE}{term}')"


def _word_score(word: Word, titled: set[str], labelled: set[str]) -> float:
    score = max(TITLE * _closeness(word, titled), LABEL * _closeness(word, labelled), DESCRIPTION)
    return CORRECTED * score if word.corrected else score


def _closeness(word: Word, terms: set[str]) -> float:
    """1 for the word itself, less for its beginning, 0 for none."""
    if word.text in terms or terms.issuperset(word.parts):
        return 1.0
    begun = [len(word.text) / len(term) for term in terms if term.startswith(word.text)]
    return PREFIX + PREFIX_COMPLETE * max(begun) if begun else 0.0
