"""What three people make of one scene: a title, a description, and searches for it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from photostock.demo.facts import NUMBERS, VESSELS, Facts, facts_of, say
from photostock.demo.searches import queries_of
from photostock.demo.subjects import Subject
from photostock.scene import Scene

SHUTTERS = ("Taken", "Photographed", "Shot", "The picture was taken")


@dataclass(frozen=True, slots=True)
class Texts:
    """All words about one photo."""

    title: str
    description: str
    tags: tuple[str, ...]
    queries: tuple[str, ...]


def texts_of(scene: Scene, chance: random.Random) -> Texts:
    """Title, description, tags and queries of a scene, each in its own words."""
    facts = facts_of(scene, chance)
    first = "place" if chance.random() < 0.72 or len(facts.details) == 1 else chance.choice(list(facts.details))
    more = [key for key in ("light", "extra") if key in facts.details and key != first and chance.random() < 0.3]
    titled = [first, *more]
    title = _title(facts, titled, chance)
    return Texts(
        title=title,
        description=_description(facts, titled, title, chance),
        tags=_tags(scene, facts, chance),
        queries=queries_of(facts, chance),
    )


def _title(facts: Facts, told: Iterable[str], chance: random.Random) -> str:
    """The photographer's own: short, and mostly in the plainest words."""
    who = _noun_phrase(facts, chance, plain=True, article=False)
    action = [say(facts.action.says, chance, plain=True)] if facts.action else []
    return _sentence([who, *action, *(say(facts.details[key].says, chance, plain=True) for key in told)])


def _description(facts: Facts, titled: list[str], title: str, chance: random.Random) -> str:
    """Another person's: whole sentences, other words, and all that the title leaves out."""
    who = _noun_phrase(facts, chance, plain=False, article=True, unlike=title)
    action = [say(facts.action.says, chance, unlike=title)] if facts.action else []
    here = ["place", "extra", "style"]
    said = {key: say(facts.details[key].says, chance, unlike=title) for key in facts.details}
    scene = [said[key] for key in here if key in said and (key not in titled or chance.random() < 0.75)]
    rest = [said[key] for key in said if key not in here and (key not in titled or chance.random() < 0.5)]
    chance.shuffle(rest)
    sentences = [_sentence([who, *action, *scene]) + "."]
    if rest:
        sentences.append(_sentence([chance.choice(SHUTTERS), ", ".join(rest)]) + ".")
    return " ".join(sentences)


def _noun_phrase(facts: Facts, chance: random.Random, *, plain: bool, article: bool, unlike: str = "") -> str:
    """The one who acts, with number and colour."""
    colour = say(facts.colour.says, chance, plain=plain, unlike=unlike) if facts.colour else ""
    noun = say(facts.noun.says, chance, plain=plain, unlike=unlike)
    before, after = _coloured(facts.subject, colour, chance) if colour else ("", "")
    if facts.count > 1:
        number = say(NUMBERS[facts.count], chance, plain=plain)
        return " ".join(part for part in (number, before, facts.subject.plural, after) if part)
    some, bare = noun.startswith("some "), noun.removeprefix("some ")
    phrase = f"{before} {bare}".strip()
    if article:
        phrase = f"some {phrase}" if some else _with_article(phrase)
    return f"{phrase} {after}".strip()


def _coloured(subject: Subject, colour: str, chance: random.Random) -> tuple[str, str]:
    """What a colour adds before and after the noun: a person's is that of the clothes, a dish's that of the plate."""
    if subject.group == "person":
        return "", say((f"in {_with_article(colour)} jacket", f"dressed in {colour}", f"wearing {colour}"), chance)
    if subject.group == "food":
        dish = _with_article(f"{colour} {VESSELS.get(subject.key, 'plate')}")
        return "", f"in {dish}" if subject.key in VESSELS else f"on {dish}"
    if subject.key == "snowman":
        return "", f"with {_with_article(colour)} scarf"
    return colour, ""


def _with_article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def _sentence(parts: Iterable[str]) -> str:
    text = " ".join(part for part in parts if part)
    return text[0].upper() + text[1:]


def _tags(scene: Scene, facts: Facts, chance: random.Random) -> tuple[str, ...]:
    """Keywords from a fixed list, some of them forgotten."""
    subject = facts.subject
    sure = [subject.names.asks[0], subject.group if subject.group != "person" else facts.noun.asks[0]]
    maybe = [words.asks[0] for words in facts.details.values()]
    maybe += [scene.colour] if facts.colour else []
    maybe += [facts.action.asks[0]] if facts.action else []
    return tuple(dict.fromkeys([*sure, *(tag for tag in maybe if chance.random() < 0.55)]))
