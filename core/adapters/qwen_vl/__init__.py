"""Models on Qwen-VL: images and videos on the host, the vision tower, and the language model that reads both."""

from cenote.adapters.qwen_vl.composing import Composer
from cenote.adapters.qwen_vl.embeds import PreparedEmbeds
from cenote.adapters.qwen_vl.images import PreparedImage, patches_of, prepare_image
from cenote.adapters.qwen_vl.layouts import PLACEHOLDERS, Layout, Layouts, plain_layouts, reference_layouts, visual
from cenote.adapters.qwen_vl.limits import Lengths, PromptLimits
from cenote.adapters.qwen_vl.load import IGNORED, RENAMES, load_visual_stack
from cenote.adapters.qwen_vl.model import VisualPoolingModel, check_placeholders
from cenote.adapters.qwen_vl.placeholders import Visual, VisualTokens, expand_placeholders, patch_grids
from cenote.adapters.qwen_vl.positions import rope_positions
from cenote.adapters.qwen_vl.rules import ImageRules
from cenote.adapters.qwen_vl.seeing import MediaReader, Seen
from cenote.adapters.qwen_vl.settings import Settings, read_settings, size_limits
from cenote.adapters.qwen_vl.stack import VisualStack
from cenote.adapters.qwen_vl.video import PreparedVideo, prepare_video
from cenote.adapters.qwen_vl.video_rules import VIDEO_OPTIONS, VideoPlan, VideoRules
from cenote.adapters.qwen_vl.writing import Written

__all__ = [
    "IGNORED",
    "PLACEHOLDERS",
    "RENAMES",
    "VIDEO_OPTIONS",
    "Composer",
    "ImageRules",
    "Layout",
    "Layouts",
    "Lengths",
    "MediaReader",
    "PreparedEmbeds",
    "PreparedImage",
    "PreparedVideo",
    "PromptLimits",
    "Seen",
    "Settings",
    "VideoPlan",
    "VideoRules",
    "Visual",
    "VisualPoolingModel",
    "VisualStack",
    "VisualTokens",
    "Written",
    "check_placeholders",
    "expand_placeholders",
    "load_visual_stack",
    "patch_grids",
    "patches_of",
    "plain_layouts",
    "prepare_image",
    "prepare_video",
    "read_settings",
    "reference_layouts",
    "rope_positions",
    "size_limits",
    "visual",
]
