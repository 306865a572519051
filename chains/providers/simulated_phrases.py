"""The simulated provider's phrases. ``{a}`` and ``{b}`` become words of the request, one or many."""

from __future__ import annotations

NOTE = "*Simulated answer: no model was asked, the words are taken from your request.*"

OPENINGS = (
    "In short: settle {a} first, then {b} will be the smaller problem.",
    "The heart of “{subject}” lies in {a}; the rest follows from there.",
    "Seen from a distance this comes down to {a} and {b}, in that order.",
    "There is a quick answer about {a}, and a better one that takes {b} into account.",
    "Whoever asks about {a} should hear about {b} as well.",
)
HEADINGS = (
    "{subject}",
    "What matters about {a}",
    "A closer look at {a} and {b}",
    "{A}, and what depends on it",
    "From {a} to {b}",
)
GENERAL = (
    "Look at {a} where {b} can be felt every day, not where it is easy to count.",
    "The usual mistake would be to settle {b} first and to fit {a} around it afterwards.",
    "Three questions about {a} should come early: where it starts, who needs it, and what it may cost.",
    "For {b} there is good evidence; for {a} there is mostly habit.",
    "In practice, different people decide about {a} and about {b}, and that shows.",
    "A small trial with {a} would tell more than a long discussion of {b}.",
    "What looks like a detail of {a} can be the reason why {b} will work out.",
    "Two views of {a} can both be right: one speaks of today, the other of next year.",
    "Nobody will miss {b} until {a} should fall short.",
    "Take away {a}, and {b} would still have to be explained to somebody.",
)
CRITICAL = (
    "I see the weakest spot in {a}: nothing here shows what would happen in the worst case.",
    "The text treats {a} and {b} as one, yet they can pull in different directions.",
    "It relies on {a}, but does not say how anybody would notice a problem there.",
    "Two readers would understand {b} differently; one sentence could settle that.",
    "Should {a} turn out half as large as assumed, the conclusion about {b} would fall with it.",
    "What would change my mind: one example of {a} without {b}.",
    "The risk lies less in {a} alone than in the moment when {b} must follow.",
)
PLANNING = (
    "Begin with {a}: {b} can be added later, the other way round would be expensive.",
    "Give {b} one owner and one date; everything else can wait for that.",
    "A first version needs only {a}. Add {b} once somebody uses it.",
    "Agree on how to measure {a} before anybody touches {b}.",
    "Keep a way back: until {b} can be trusted, leave {a} as before.",
    "Check {a} after a week; without any change, stop and ask why.",
)
TELLING = (
    "Most people meet {a} long before they have a name for {b}.",
    "Speak of {a} and the room grows quiet; speak of {b} and everybody has a story.",
    "Picture {b} on an ordinary morning: nobody mentions it, everybody relies on it.",
    "Give {a} a second look, and you will see how quietly it can shape {b}.",
    "Say {a} plainly and half of the confusion about {b} will be gone.",
    "The best line about {b} would be one that a tired reader still understands.",
)
MANNERS = (
    (r"critic|review|risk|secur|check|doubt|judge|audit|detective|weak", CRITICAL),
    (r"plan|design|architect|steps|schedule|implement|program|engineer|commander|manage|test", PLANNING),
    (r"write|draft|story|headline|editor|translat|slogan|article|post|reader|tone", TELLING),
)
TABLE_HEADS = (("Point", "Weight", "Why"), ("Option", "Effort", "Gain"), ("Topic", "State", "Next step"))
WEIGHTS = ("high", "medium", "low")
REMARKS = (
    "comes first",
    "cheap to try",
    "often forgotten",
    "needs an owner",
    "can wait",
    "visible at once",
)
SEEN = "I see {pictures}."

VOICES = "What the others bring in:"
VOICE = "- **{name}** is the one to speak of {a}."
MORE = "More on {a}"

ALL = (
    *(NOTE, SEEN, VOICES, VOICE, MORE, *REMARKS, *WEIGHTS),
    *(word for head in TABLE_HEADS for word in head),
    *(*OPENINGS, *HEADINGS, *GENERAL, *CRITICAL, *PLANNING, *TELLING),
)
