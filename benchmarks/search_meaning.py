"""How well search finds what is meant, on the demo catalogue of a running `vane up`.

    vane up --data-dir D          # loads the demo catalogue
    python -m benchmarks.search_meaning --api http://127.0.0.1:PORT

Four kinds of queries for known films: paraphrases that share no telling word with the film's text,
the title with a typo, the beginning of the title, and the title. Printed for each: the share that
is found first and among the first five, and the milliseconds of an answer. Run it again against an
API with `VANE_SEARCH_MEANING=off` for what words alone find.

Half of the queries, by a hash of the film that is meant, are for choosing the weights of
`vane/fusion.py`; what is reported is of the other half (`--half choose` shows the first).
"""

import argparse
import hashlib
import json
import random
import statistics
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from vane.demo.catalogue import demo_items_by_id

PARAPHRASES = {
    "grumpy tv presenter stuck in a time loop": "film-1993-groundhog-day",
    "garbage machine in love in the cosmos": "film-2008-walle",
    "founding of facebook": "film-2010-the-social-network",
    "gulls and crows going mad": "film-1963-the-birds",
    "impostor chased by the fbi": "film-2002-catch-me-if-you-can",
    "vietnam veterans": "film-1978-the-deer-hunter",
    "playthings come alive": "film-1995-toy-story",
    "terminal illness of a bureaucrat": "film-1952-ikiru",
    "chariot in ancient rome": "film-1959-ben-hur",
    "boxing underdog": "film-1976-rocky",
    "expecting a child among satanists": "film-1968-rosemary-s-baby",
    "extraterrestrial refugees in south africa": "film-2009-district-9",
    "motorcycle road trip": "film-1969-easy-rider",
    "fish father looking for his lost child": "film-2003-finding-nemo",
    "emotions of a girl personified": "film-2015-inside-out",
    "holocaust survivor playing chopin": "film-2002-the-pianist",
    "medieval board game with the grim reaper": "film-1957-the-seventh-seal",
    "hotel murder in the shower": "film-1960-psycho",
    "jealous of a musical prodigy": "film-1984-amadeus",
    "voyeur in a wheelchair": "film-1954-rear-window",
    "midlife crisis": "film-1999-american-beauty",
    "escape from jail": "film-1994-the-shawshank-redemption",
    "class struggle in a korean house": "film-2019-parasite",
    "courtroom drama about racism": "film-1962-to-kill-a-mockingbird",
    "wartime rescue across the channel": "film-2017-dunkirk",
    "love with an artificial intelligence": "film-2013-her",
    "enormous gorilla": "film-1933-king-kong",
    "whodunit about an inheritance": "film-2019-knives-out",
    "homeless older woman on the road": "film-2020-nomadland",
    "sanitation worker in japan": "film-2023-perfect-days",
    "disco dancer from brooklyn": "film-1977-saturday-night-fever",
    "british prisoners build a railway crossing": "film-1957-the-bridge-on-the-river-kwai",
    "dragging a steamship over a mountain": "film-1982-fitzcarraldo",
    "news anchor loses his mind on air": "film-1976-network",
    "allied soldiers tunnel out of a german camp": "film-1963-the-great-escape",
    "magical nanny": "film-1964-mary-poppins",
    "newspaper tycoon's dying word": "film-1941-citizen-kane",
    "factory worker driven crazy by the assembly line": "film-1936-modern-times",
    "clown turns to crime": "film-2019-joker",
    "boy raised by wolves": "film-1967-the-jungle-book",
    "undead aboard a railway": "film-2016-train-to-busan",
    "village hires warriors against bandits": "film-1954-seven-samurai",
    "parasite from outer space at an antarctic base": "film-1982-the-thing",
    "bank robbers flee to bolivia": "film-1969-butch-cassidy-and-the-sundance-kid",
    "drug lord of miami": "film-1983-scarface",
    "nonviolent independence of india": "film-1982-gandhi",
    "father learns to raise his son after a divorce": "film-1979-kramer-vs-kramer",
    "silent movie stars adapt to sound": "film-1952-singin-in-the-rain",
    "hunting rogue androids": "film-1982-blade-runner",
    "race cars at le mans": "film-2019-ford-v-ferrari",
    "simians rule over humans": "film-1968-planet-of-the-apes",
    "mafia family succession": "film-1972-the-godfather",
    "princess, dwarves and a poisoned fruit": "film-1937-snow-white-and-the-seven-dwarfs",
    "caretaker goes insane in an empty hotel": "film-1980-the-shining",
    "rebellion in a psychiatric hospital": "film-1975-one-flew-over-the-cuckoo-s-nest",
    "cafe owner in wartime morocco meets an old flame": "film-1942-casablanca",
    "con men take revenge on a gangster": "film-1973-the-sting",
    "trucks full of nitroglycerine": "film-1953-the-wages-of-fear",
    "multiverse and a laundromat": "film-2022-everything-everywhere-all-at-once",
    "deformed man in victorian london": "film-1980-the-elephant-man",
}
TITLES = 120


def main() -> None:
    """Ask everything, and print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", required=True)
    parser.add_argument("--half", choices=["choose", "report"], default="report")
    given = parser.parse_args()
    api = given.api
    search(api, "warm up")
    for kind, asked in kinds():
        queries = [(text, wanted) for text, wanted in asked if half_of(wanted) == given.half]
        places, waits, modes = [], [], set()
        for text, wanted in queries:
            begun = time.perf_counter()
            body = search(api, text)
            waits.append(1e3 * (time.perf_counter() - begun))
            modes.add(body["mode"])
            found = [item["item_id"] for item in body["items"]]
            places.append(found.index(wanted) if wanted in found else 99)
        first = sum(place == 0 for place in places) / len(places)
        five = sum(place < 5 for place in places) / len(places)
        print(
            f"{kind:12} {len(places):3} queries, {'/'.join(sorted(modes))}: first {first:.2f},"
            f" first five {five:.2f}; p50 {statistics.median(waits):.1f} ms, max {max(waits):.1f}"
        )


def half_of(item: str) -> str:
    """For choosing weights, or for reporting what they give: all queries of a film are in one."""
    return "choose" if hashlib.sha256(item.encode()).digest()[0] % 2 else "report"


def kinds() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The kinds of queries, each with the film that is meant."""
    draw = random.Random(5)
    films = sorted(item for item, row in demo_items_by_id().items() if row.kind == "film")
    names = {item: str(demo_items_by_id()[item].title).rpartition(" (")[0] for item in films}
    long = [item for item in films if len(names[item]) > 8]
    chosen = draw.sample(long, TITLES)
    yield "meaning", [*PARAPHRASES.items()]
    yield "typo", [(misspelt(names[item], draw), item) for item in chosen]
    yield "beginning", [(names[item][:6], item) for item in chosen]
    yield "title", [(names[item], item) for item in chosen]


def misspelt(text: str, draw: random.Random) -> str:
    """The text without one letter of its longest word."""
    longest = max(text.split(), key=len)
    at = text.index(longest) + draw.randrange(1, len(longest))
    return text[:at] + text[at + 1 :]


def search(api: str, text: str) -> dict[str, Any]:
    """The answer of the API."""
    target = f"{api}/v1/search?{urllib.parse.urlencode({'q': text, 'limit': 10})}"
    with urllib.request.urlopen(target) as answer:
        body: dict[str, Any] = json.load(answer)
    return body


if __name__ == "__main__":
    main()
