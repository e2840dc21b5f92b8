"""What a third person types who remembers part of a photo: searches whose known answer it is."""

from __future__ import annotations

import random

from photostock.demo.facts import NUMBERS, VESSELS, Facts, say


def queries_of(facts: Facts, chance: random.Random) -> tuple[str, ...]:
    """One to three searches: a third person remembers part of it, in any order."""
    wanted = chance.choices((1, 2, 3), (35, 40, 25))[0]
    return tuple(dict.fromkeys(_query(facts, chance) for _ in range(wanted)))


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
        return " ".join([*core, *(say(facts.details[key].says, chance) for key in keys)])
    around = [say(facts.details[key].asks, chance) for key in keys]
    split = chance.randint(0, len(around))
    return " ".join([*around[:split], *core, *around[split:]])


def _asked_core(facts: Facts, chosen: set[str], chance: random.Random) -> list[str]:
    """Who or what is searched for, with as many of its properties as were chosen."""
    person = facts.subject.group == "person"
    several = facts.count > 1 and chance.random() < 0.7
    number = [say(NUMBERS[facts.count], chance)] if several else []
    noun = [facts.subject.plural if several else say(facts.noun.asks, chance)]
    if person and chance.random() < 0.15:
        noun = []  # "surfing in red" says enough
    colour = _asked_colour(facts, chance) if "colour" in chosen else []
    action = [say(facts.action.asks, chance)] if facts.action and "action" in chosen else []
    if person or facts.subject.group == "food":
        return [*noun, *action, *colour]
    return [*number, *colour, *noun, *action]


def _asked_colour(facts: Facts, chance: random.Random) -> list[str]:
    assert facts.colour is not None
    colour = say(facts.colour.asks, chance)
    if facts.subject.group == "person":
        return [say((f"{colour} jacket", f"in {colour}", f"wearing {colour}"), chance)]
    if facts.subject.group == "food":
        return [f"{colour} {VESSELS.get(facts.subject.key, 'plate')}"]
    return [colour]
