"""What three people make of one scene: a title, a description, and searches for it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from photostock.demo import words as vocabulary
from photostock.demo.scenes import SEASONLESS
from photostock.demo.subjects import SUBJECTS, Subject
from photostock.demo.words import Words
from photostock.scene import Scene

BY_KEY: Mapping[str, Subject] = {subject.key: subject for subject in SUBJECTS}
NUMBERS = {2: ("two", "a pair of", "two"), 3: ("three", "a group of", "three")}
UNCOLOURED_STYLES = frozenset({"mono", "silhouette"})
VESSELS = {
    "soup": "bowl", "noodles": "bowl", "salad": "bowl", "fruit": "bowl", "coffee": "cup", "tea": "pot",
}  # fmt: skip
SHUTTERS = ("Taken", "Photographed", "Shot", "The picture was taken")


@dataclass(frozen=True, slots=True)
class Texts:
    """All words about one photo."""

    title: str
    description: str
    tags: tuple[str, ...]
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to tell of a scene, in the order in which a sentence tells it."""

    subject: Subject
    noun: Words  # the one who acts: the subject, or a kind of person
    count: int
    colour: Words | None
    action: Words | None
    details: dict[str, Words]  # place, light, weather, season, extra, style: as far as anybody mentions them


def texts_of(scene: Scene, chance: random.Random) -> Texts:
    """Title, description, tags and queries of a scene, each in its own words."""
    facts = facts_of(scene, chance)
    first = "place" if chance.random() < 0.72 or len(facts.details) == 1 else chance.choice(list(facts.details))
    titled = [
        first,
        *(key for key in ("light", "extra") if key in facts.details and key != first and chance.random() < 0.3),
    ]
    title = _title(facts, titled, chance)
    return Texts(
        title=title,
        description=_description(facts, titled, title, chance),
        tags=_tags(scene, facts, chance),
        queries=_queries(facts, title, chance),
    )


def facts_of(scene: Scene, chance: random.Random) -> Facts:
    """The facts that somebody mentions; what nobody would mention, such as bright daylight, mostly stays out."""
    subject = BY_KEY[scene.subject]
    person = subject.group == "person"
    coloured = len(subject.colours) > 1 and scene.style not in UNCOLOURED_STYLES and scene.subject != "icecream"
    poses = vocabulary.TOPPINGS if subject.group == "food" else vocabulary.POSES
    return Facts(
        subject=subject,
        noun=vocabulary.WHO[scene.who] if person else subject.names,
        count=scene.count,
        colour=vocabulary.COLOURS[scene.colour] if coloured and chance.random() < 0.88 else None,
        action=subject.names if person else poses.get(scene.pose),
        details=_details(scene, chance),
    )


def _details(scene: Scene, chance: random.Random) -> dict[str, Words]:
    told = {"place": vocabulary.PLACES[scene.setting]}
    if scene.extra:
        told["extra"] = vocabulary.EXTRAS[scene.extra]
    if scene.setting != "reef" and chance.random() < (0.35 if scene.light in ("midday", "window") else 0.9):
        told["light"] = vocabulary.LIGHTS[scene.light]
    if not scene.indoors and scene.setting != "reef":
        if chance.random() < (0.2 if scene.weather == "clear" else 0.95) and not _sun_at_night(scene):
            told["weather"] = vocabulary.WEATHERS[scene.weather]
        if scene.setting not in SEASONLESS and chance.random() < (0.3 if scene.season == "summer" else 0.7):
            told["season"] = vocabulary.SEASONS[scene.season]
    if scene.style != "plain" and chance.random() < 0.85:
        told["style"] = vocabulary.STYLES[scene.style]
    return told


def _sun_at_night(scene: Scene) -> bool:
    return scene.weather == "clear" and scene.light in ("night", "dusk")


def _title(facts: Facts, told: Iterable[str], chance: random.Random) -> str:
    """The photographer's own: short, and mostly in the plainest words."""
    who = _noun_phrase(facts, chance, plain=True, article=False)
    action = [_say(facts.action.says, chance, plain=True)] if facts.action else []
    return _sentence([who, *action, *(_say(facts.details[key].says, chance, plain=True) for key in told)])


def _description(facts: Facts, titled: list[str], title: str, chance: random.Random) -> str:
    """Another person's: whole sentences, other words, and all that the title leaves out."""
    who = _noun_phrase(facts, chance, plain=False, article=True, unlike=title)
    action = [_say(facts.action.says, chance, unlike=title)] if facts.action else []
    here = ["place", "extra", "style"]
    said = {key: _say(facts.details[key].says, chance, unlike=title) for key in facts.details}
    scene = [said[key] for key in here if key in said and (key not in titled or chance.random() < 0.75)]
    rest = [said[key] for key in said if key not in here and (key not in titled or chance.random() < 0.5)]
    chance.shuffle(rest)
    sentences = [_sentence([who, *action, *scene]) + "."]
    if rest:
        sentences.append(_sentence([chance.choice(SHUTTERS), ", ".join(rest)]) + ".")
    return " ".join(sentences)


def _queries(facts: Facts, title: str, chance: random.Random) -> tuple[str, ...]:
    """One to three searches: a third person remembers part of it, in any order."""
    wanted = chance.choices((1, 2, 3), (35, 40, 25))[0]
    found = (_query(facts, chance) for _ in range(wanted))
    return tuple(query for query in dict.fromkeys(found) if query != title.lower())


def _query(facts: Facts, chance: random.Random) -> str:
    wanted = chance.choices((2, 3, 4), (40, 42, 18))[0]
    known = ["action"] * (facts.action is not None) + ["colour"] * (facts.colour is not None) + list(facts.details)
    chosen = set(chance.sample(known, min(wanted, len(known))))
    if facts.subject.group == "person":
        chosen.add("action")  # "woman" alone would be no search for a photo of a surfer
    keys = [key for key in facts.details if key in chosen]
    chance.shuffle(keys)
    core = _asked_core(facts, chosen, chance)
    if chance.random() < 0.4:
        return " ".join([*core, *(_say(facts.details[key].says, chance) for key in keys)])
    around = [_say(facts.details[key].asks, chance) for key in keys]
    split = chance.randint(0, len(around))
    return " ".join([*around[:split], *core, *around[split:]])


def _asked_core(facts: Facts, chosen: set[str], chance: random.Random) -> list[str]:
    """Who or what is searched for, with as many of its properties as were chosen."""
    person = facts.subject.group == "person"
    several = facts.count > 1 and chance.random() < 0.7
    number = [_say(NUMBERS[facts.count], chance)] if several else []
    noun = [facts.subject.plural if several else _say(facts.noun.asks, chance)]
    if person and chance.random() < 0.15:
        noun = []  # "surfing in red" says enough
    colour = _asked_colour(facts, chance) if "colour" in chosen else []
    action = [_say(facts.action.asks, chance)] if facts.action and "action" in chosen else []
    if person or facts.subject.group == "food":
        return [*noun, *action, *colour]
    return [*number, *colour, *noun, *action]


def _asked_colour(facts: Facts, chance: random.Random) -> list[str]:
    assert facts.colour is not None
    colour = _say(facts.colour.asks, chance)
    if facts.subject.group == "person":
        return [_say((f"{colour} jacket", f"in {colour}", f"wearing {colour}"), chance)]
    if facts.subject.group == "food":
        return [f"{colour} {VESSELS.get(facts.subject.key, 'plate')}"]
    return [colour]


def _noun_phrase(facts: Facts, chance: random.Random, *, plain: bool, article: bool, unlike: str = "") -> str:
    """The one who acts, with number and colour."""
    colour = _say(facts.colour.says, chance, plain=plain, unlike=unlike) if facts.colour else ""
    key, group = facts.subject.key, facts.subject.group
    noun = _say(facts.noun.says, chance, plain=plain, unlike=unlike)
    before, after = colour, ""
    if colour and group == "person":
        before, after = "", _say((f"in a {colour} jacket", f"dressed in {colour}", f"wearing {colour}"), chance)
    elif colour and group == "food":
        before, after = (
            "",
            f"{'in' if key in VESSELS else 'on'} {_with_article(f'{colour} ' + VESSELS.get(key, 'plate'))}",
        )
    elif colour and key == "snowman":
        before, after = "", f"with {_with_article(f'{colour} scarf')}"
    if facts.count > 1:
        number = _say(NUMBERS[facts.count], chance, plain=plain)
        return " ".join(part for part in (number, before, facts.subject.plural, after) if part)
    some, bare = noun.startswith("some "), noun.removeprefix("some ")
    phrase = f"{before} {bare}".strip()
    if article:
        phrase = f"some {phrase}" if some else _with_article(phrase)
    return f"{phrase} {after}".strip()


def _with_article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def _say(ways: tuple[str, ...], chance: random.Random, *, plain: bool = False, unlike: str = "") -> str:
    """One of several ways; mostly the first if `plain`, mostly none that is in `unlike`."""
    if plain:
        return chance.choices(ways, [6, *[2] * (len(ways) - 1)])[0]
    fresh = [way for way in ways if way.lower() not in unlike.lower()]
    return chance.choice(fresh if fresh and chance.random() < 0.75 else ways)


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
