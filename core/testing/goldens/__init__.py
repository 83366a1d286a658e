"""The table of golden rows: one for each family, with numbers computed beforehand by its reference library.

`scripts/goldens.py` computes the numbers and writes them to `tests/goldens`; `tests/conformance/test_golden_table.py`
compares; `docs/models.md` lists the rows.
"""

from cenote.testing.goldens.classifiers import CLASSIFIERS
from cenote.testing.goldens.embedders import EMBEDDERS
from cenote.testing.goldens.inputs import INPUTS
from cenote.testing.goldens.rerankers import RERANKERS
from cenote.testing.goldens.rewards import REWARDS
from cenote.testing.goldens.row import Call, GoldenRow
from cenote.testing.goldens.sparse import SPARSE

__all__ = ["INPUTS", "ROWS", "Call", "GoldenRow"]

#: All rows, in the order in which people look for them.
ROWS: tuple[GoldenRow, ...] = (*EMBEDDERS, *SPARSE, *CLASSIFIERS, *RERANKERS, *REWARDS)
