"""Vision towers that read images of one size, for models whose prompts hold what the tower makes of them."""

from cenote.adapters.towers.images import FixedImages, PreparedPixels
from cenote.adapters.towers.rows import visual_rows
from cenote.adapters.towers.tower import FixedTower, hidden_states

__all__ = ["FixedImages", "FixedTower", "PreparedPixels", "hidden_states", "visual_rows"]
