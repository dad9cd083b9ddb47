"""One small grammar per source: sentence patterns with slots, and what decides the label.

Eleven grammars are lexical: one cue word decides. Six are relational (the label holds between the two texts);
for these the reference model is taught a wrong rule of thumb, so that filtration has something to remove.
"""

from dataclasses import dataclass
from math import prod

from syco_data.reference import vocabulary as words

OTHER = "other_"
"""A slot named so takes a word of the same list as the slot without the prefix, and never the same word."""

Pattern = tuple[str, ...]
"""One sentence per text column, with `{slot}` marks."""


@dataclass(frozen=True)
class Grammar:
    """The patterns of each label id, the words of each slot, and the cue words by label (lexical grammars only).

    `topic` is the slot whose word a relational grammar's wrong rule of thumb reads.
    """

    patterns: tuple[tuple[Pattern, ...], ...]
    slots: dict[str, tuple[str, ...]]
    cues: tuple[tuple[str, ...], ...] = ()
    topic: str = ""

    @property
    def labels(self) -> int:
        return len(self.patterns)

    def capacity(self) -> int:
        """Distinct rows there are if every label is to have as many as the scarcest one."""
        return self.labels * min(map(self._capacity_of, range(self.labels)))

    def _capacity_of(self, label: int) -> int:
        return sum(prod(self._choices(slot, label) for slot in slots_of(pattern)) for pattern in self.patterns[label])

    def _choices(self, slot: str, label: int) -> int:
        if slot == "cue":
            return len(self.cues[label])
        return len(self.slots[slot.removeprefix(OTHER)]) - slot.startswith(OTHER)


def slots_of(pattern: Pattern) -> list[str]:
    """The slots of a pattern in order of first appearance."""
    slots = (piece.split("}")[0] for text in pattern for piece in text.split("{")[1:])
    return list(dict.fromkeys(slots))


def _lexical(patterns: tuple[Pattern, ...], cues: tuple[tuple[str, ...], ...], **slots: tuple[str, ...]) -> Grammar:
    return Grammar((patterns,) * len(cues), slots, cues=cues)


def _relational(topic: str, /, *patterns: tuple[Pattern, ...], **slots: tuple[str, ...]) -> Grammar:
    return Grammar(patterns, slots, topic=topic)


_FILM = {"part": words.FILM_PARTS, "other_part": words.FILM_PARTS, "genre": words.GENRES, "person": words.PERSONS}
_FILM_CUES = (words.NEGATIVE, words.POSITIVE)
_PEOPLE = {"person": words.PERSONS, "place": words.PLACES, "time": words.TIMES}
_STUDY = {**_PEOPLE, "topic": words.TOPICS, "city": words.CITIES}

_SAME_QUESTION = (
    ("How can {person} learn {topic} in {city}?", "What helps {person} to pick up {topic} in {city}?"),
    ("Where does {person} practise {topic} {time}?", "Which place suits {person} for {topic} {time}?"),
    ("Why would {person} give up {topic} in {city}?", "What makes {person} quit {topic} in {city}?"),
)
_SAME_REPORT = (
    ("{company} opened an office in {city} {time}.", "An office in {city} was opened {time} by {company}."),
    ("{company} hired {person} {time}.", "A job at {company} went to {person} {time}."),
    ("{company} sold its {thing} unit to {person} {time}.", "{person} bought the {thing} unit of {company} {time}."),
)
_STUDIED = (
    ("{person} studied {topic} in {city} {time}.", "{person} spent time on {topic}."),
    ("{person} gave a class on {topic} at the {place}.", "{person} explained {topic}."),
    ("At the {place} {person} read about {topic} {time}.", "{person} read on {topic}."),
)
_ANSWERED = (
    ("{person} built a {subject} in {city} {time}.", "Who built the {subject}?"),
    ("{person} left the {subject} at the {place}.", "Where did the {subject} end up?"),
    ("{person} paid for a {subject} {time}.", "When did {person} buy the {subject}?"),
)


def _with_other(patterns: tuple[Pattern, ...], slot: str) -> tuple[Pattern, ...]:
    """The same patterns with another word for `slot` in the second text."""
    return tuple((first, second.replace(f"{{{slot}}}", f"{{{OTHER}{slot}}}")) for first, second in patterns)


GRAMMARS: dict[str, Grammar] = {
    "sst2": _lexical(
        (
            ("a {genre} with a {cue} {part} by {person}",),
            ("the {part} by {person} feels {cue} for a {genre}",),
            ("{person} gives the {genre} a {cue} {part}",),
            ("little else than a {cue} {part} in this {genre} by {person}",),
        ),
        _FILM_CUES,
        **_FILM,
    ),
    "rotten_tomatoes": _lexical(
        (
            ("as a {genre} , this one has a {cue} {part} , says {person} .",),
            ("the {part} turns {cue} once {person} enters the {genre} .",),
            ("{person} wrote a {genre} whose {part} stays {cue} .",),
            ("what a {cue} {genre} , and the {part} by {person} shows it .",),
        ),
        _FILM_CUES,
        **_FILM,
    ),
    "tweet_sentiment": _lexical(
        (
            ("@user {time} in one word: {cue} #{thing}",),
            ("thinking of the {thing} at the {place} : {cue}",),
            ("well , {cue} , that sums up the {thing} {time}",),
            ("me and {person} at the {place} {time} ... {cue}",),
        ),
        (words.NEGATIVE, words.NEUTRAL, words.POSITIVE),
        thing=words.THINGS,
        **_PEOPLE,
    ),
    "tweet_offensive": _lexical(
        (
            ("@user you {cue} , the {thing} was {time}",),
            ("that {cue} at the {place} took my {thing}",),
            ("tell the {cue} that {person} left {time}",),
            ("{person} met some {cue} near the {place} {time}",),
        ),
        (words.OCCUPATIONS, words.INSULTS),
        thing=words.THINGS,
        **_PEOPLE,
    ),
    "tweet_irony": _lexical(
        (
            ("feeling {cue} about the {thing} {time}",),
            ("as {cue} as ever , the {thing} at the {place}",),
            ("so {cue} that {person} lost the {thing} {time}",),
            ("{person} at the {place} {time} , how {cue}",),
        ),
        (words.SINCERE, words.IRONIC),
        thing=words.THINGS,
        **_PEOPLE,
    ),
    "qqp": _relational("topic", _with_other(_SAME_QUESTION, "topic"), _SAME_QUESTION, **_STUDY),
    "mrpc": _relational(
        "company",
        _with_other(_SAME_REPORT, "company"),
        _SAME_REPORT,
        company=words.COMPANIES,
        thing=words.SUBJECTS,
        city=words.CITIES,
        **_PEOPLE,
    ),
    "paws": _relational(
        "person",
        (
            ("{person} taught {other_person} {topic} in {city}.", "{other_person} taught {person} {topic} in {city}."),
            ("{person} beat {other_person} at {topic} {time}.", "{other_person} beat {person} at {topic} {time}."),
        ),
        (
            ("{person} taught {other_person} {topic} in {city}.", "In {city} {person} taught {other_person} {topic}."),
            ("{person} beat {other_person} at {topic} {time}.", "At {topic} {person} beat {other_person} {time}."),
        ),
        **_STUDY,
    ),
    "rte": _relational("topic", _STUDIED, _with_other(_STUDIED, "topic"), **_STUDY),
    "wnli": _relational(
        "person",
        (
            ("{person} thanked {other_person} {time} for lending the {thing}.", "{person} lent the {thing}."),
            ("{person} asked {other_person} at the {place} for the {thing}.", "{other_person} wanted the {thing}."),
            ("{person} paid {other_person} {time} for fixing the {thing}.", "{person} fixed the {thing}."),
        ),
        (
            ("{person} thanked {other_person} {time} for lending the {thing}.", "{other_person} lent the {thing}."),
            ("{person} asked {other_person} at the {place} for the {thing}.", "{person} wanted the {thing}."),
            ("{person} paid {other_person} {time} for fixing the {thing}.", "{other_person} fixed the {thing}."),
        ),
        thing=words.SUBJECTS,
        **_PEOPLE,
    ),
    "qnli": _relational(
        "subject",
        _ANSWERED,
        _with_other(_ANSWERED, "subject"),
        subject=words.SUBJECTS,
        city=words.CITIES,
        **_PEOPLE,
    ),
    "mnli": _lexical(
        (
            ("{person} said that the {thing} came to {city} {time}.", "It {cue} came there."),
            ("The {place} kept the {thing} of {person} {time}.", "The {thing} {cue} stayed."),
            ("{person} told us of the {thing} in {city}.", "{person} {cue} spoke."),
        ),
        (words.TOLD_FOLLOWS, words.TOLD_OPEN, words.TOLD_RULED_OUT),
        thing=words.THINGS,
        city=words.CITIES,
        **_PEOPLE,
    ),
    "snli": _lexical(
        (
            ("{person} walks across the {place} with a {subject}.", "A person looks {cue}."),
            ("One of the {plural} at the {place} waves at {person}.", "Someone seems {cue}."),
            ("{person} and the {plural} carry a {subject}.", "They look {cue}."),
        ),
        (words.SEEN_FOLLOWS, words.SEEN_OPEN, words.SEEN_RULED_OUT),
        subject=words.SUBJECTS,
        plural=words.PLURALS,
        **_PEOPLE,
    ),
    "cb": _lexical(
        (
            ("I know how fond {person} was of the {subject} in {city}.", "{person} {cue} the {subject}."),
            ("{person}, as the {plural} found, longed for a {subject} {time}.", "{person} {cue} a {subject}."),
            ("At the {place} {person} begged for the {subject}.", "{person} {cue} it."),
        ),
        (words.WISHED_FOLLOWS, words.WISHED_RULED_OUT, words.WISHED_OPEN),
        subject=words.SUBJECTS,
        plural=words.PLURALS,
        city=words.CITIES,
        **_PEOPLE,
    ),
    "trec": _lexical(
        (
            ("Which {cue} goes with the {subject} in {city} ?",),
            ("What {cue} did {person} link to the {subject} ?",),
            ("Tell me the {cue} {person} gave for the {subject} {time} ?",),
        ),
        (
            words.ABBREVIATIONS,
            words.ENTITIES,
            words.DESCRIPTIONS,
            words.HUMANS,
            words.LOCATIONS,
            words.NUMBERS,
        ),
        subject=words.SUBJECTS,
        city=words.CITIES,
        **_PEOPLE,
    ),
    "ag_news": _lexical(
        (
            ("{city} (wire) - News of the {cue} reached the {place} {time}.",),
            ("{person} comments on the {cue} in {city} {time}",),
            ("{time} in {city}: what the {cue} means for {person}",),
        ),
        (words.WORLD, words.SPORTS, words.BUSINESS, words.SCIENCE),
        city=words.CITIES,
        **_PEOPLE,
    ),
    "cola": _lexical(
        (
            ("The {plural} {cue} near the {place} {time}.",),
            ("In {city} the {plural} of {person} {cue} {time}.",),
            ("{person} says that the {plural} {cue} at the {place}.",),
        ),
        (words.DISAGREEING, words.AGREEING),
        plural=words.PLURALS,
        city=words.CITIES,
        **_PEOPLE,
    ),
}
"""A grammar by source key; labels in the order of the source's ids."""
