"""The built-in texts: a few lines to train tiny tokenizers on, and samples that tell right from nearly right."""

from __future__ import annotations

__all__ = ["sample_texts", "training_lines"]

_LINES = """\
A cenote is a natural pit where the limestone roof has fallen in and the ground water below lies open.
Divers enter through the narrow mouth, follow the guide line, and turn back when a third of the gas is used.
The water near the surface is fresh; deeper down it is salt, and light bends where the two layers meet.
Rain falls on the flat plain, sinks through cracks in the rock, and flows towards the sea in dark tunnels.
How deep is the well? Nobody knows: the rope was forty metres long and did not reach the bottom.
An embedding maps a text to a vector, so that texts of similar meaning lie close to each other.
The query asks a question, the document holds the answer, and the score says how well they fit together.
Each token attends to every other token of its own sequence, and never to the tokens of a neighbour.
Return the mean of all token vectors, divided by its length, as a list of numbers between -1 and 1.
def read_lines(path): return [line.strip() for line in open(path, encoding="utf-8") if line]
for index, value in enumerate(values): total += value * weights[index]  # weighted sum
Raises ValueError when the list is empty, when a name is unknown, or when two sizes do not agree.
The train to the coast leaves at 7:45 from platform 12 and arrives at 10:20, with one change on the way.
In 1984 the village had 312 people, 3 shops and 1 school; in 2024 it had 1,906 people and no shop at all.
She wrote the first letter on Monday, the second on Tuesday, and did not wait for an answer to either.
Bread needs flour, water, salt and time; with more time it needs less of everything else.
The old clock in the hall strikes thirteen at noon, which makes one doubt the other twelve as well.
Please send the invoice for order no. 48-B/7 to accounts@example.org before the end of the month!
Warm air rises over the land by day, the wind comes from the sea, and at night it turns around.
The committee agreed that a decision was needed, and that it should be taken by another committee.
Der Brunnen ist tief, das Wasser klar und kalt, und niemand weiß, wohin es unter der Erde fließt.
L'eau s'écoule à travers la roche calcaire, puis réapparaît près de la côte, là où naît la rivière.
El agua dulce flota sobre la salada; entre las dos se ve una niebla que los buzos llaman haloclina.
Το νερό κυλάει κάτω από τη γη και βγαίνει στη θάλασσα.
Вода течёт под землёй и выходит к морю через тёмные пещеры.
水は地面の下を流れて海に出る。地下水很深，也很清。
"""  # noqa: RUF001 (other alphabets are meant)

_PARAGRAPH = (
    "The guide line runs from the open water to the end of the first tunnel, and every ten metres a small arrow shows "
    "the nearest way out. Where two lines meet, each diver leaves a marker of their own, and takes it along again on "
    "the way back. When the light fails, the line is held between thumb and finger, and nobody lets go of it."
)

_SAMPLES = (
    "water",
    "How deep is the well?",
    "The well is deep, how?",
    "An embedding maps a text to a vector.",
    "A vector maps a text to an embedding.",
    "Bread needs flour, water, salt and time; bread needs flour, water, salt and time.",
    "def score(query, documents): return [dot(query, d) for d in documents]",
    "Der Brunnen ist tief, und niemand weiß, wohin das Wasser fließt.",
    "Вода и море, 水 と 海, το νερό \u2013 and an emoji \U0001f30a nobody trained on.",
    "In 2024 the village had 1,906 people & no shop (see order no. 48-B/7).",
    "Line one.\nLine two,\twith a tab   and many   spaces.",
    _PARAGRAPH,
    "THE GUIDE LINE RUNS FROM THE OPEN WATER",
    "x",
)


def training_lines() -> tuple[str, ...]:
    """Return the lines that the tiny tokenizers are trained on."""
    return tuple(_LINES.splitlines())


def sample_texts() -> list[str]:
    """Return texts of very different lengths (1 to about 130 tokens) for comparing a model with its reference.

    Some hold the same words in another order, so that wrong positions show; some hold characters that the tiny
    tokenizers have never seen; one is longer than every sliding window of the look-alike checkpoints.
    """
    return list(_SAMPLES)
