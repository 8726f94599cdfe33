"""Settings of the detector ``deeplab``."""

from dataclasses import dataclass
from typing import Optional, Tuple

from tad.config.fields import setting


@dataclass(frozen=True)
class DeepLabSettings:
    """The detector ``deeplab``: DeepLabv3+ over time, and a proposal head on Align1D features."""

    width: int = setting(128, "channels of the encoder and decoder", minimum=8)
    strides: Tuple[int, ...] = setting((1, 2, 2), "stride of each encoder stage; their product is the output stride",
                                       minimum=1, maximum=4)
    blocks: int = setting(2, "residual blocks in each encoder stage", minimum=1)
    kernel: int = setting(3, "kernel size of the encoder's convolutions", minimum=1, odd=True)
    atrous_rates: Tuple[int, ...] = setting((2, 4, 8), "rates of the parallel atrous convolutions, in encoder steps",
                                            minimum=1)
    dropout: float = setting(0.2, "dropout before the classifiers and inside the proposal head",
                             minimum=0.0, maximum=0.95)
    input_dropout: float = setting(0.0, "dropout of whole input channels", minimum=0.0, maximum=0.95)
    boundary_radius: float = setting(1.5, "snippets beside a start or end that learn it and their distance to it",
                                     minimum=0.5)
    max_duration: Optional[int] = setting(None, "longest proposal in snippets", minimum=1)
    proposal_features: str = setting("align", "how a proposal's features are sampled: align, the means of bins by "
                                              "Align1D (G-TAD, section 3.4); mask, BMN's sampling mask (section 3.2)",
                                     choices=("align", "mask"))
    mask_samples: int = setting(3, "points of a bin with proposal_features mask (3 in BMN's code)",
                                minimum=1, maximum=64)
    proposal_width: int = setting(32, "channels that are sampled of a proposal", minimum=4)
    proposal_bins: int = setting(24, "bins over a proposal with its context", minimum=4)
    context: float = setting(0.5, "a proposal is widened at each end by this part of its duration", minimum=0.0)
    samples: int = setting(96, "proposals sampled from each training window, a third from each tIoU range", minimum=3)
    candidates: int = setting(800, "proposals of a window that reach the proposal head at inference", minimum=1)
    classes_weight: float = setting(1.0, "loss: multi-label class scores of the snippets", minimum=0.0)
    boundaries_weight: float = setting(1.0, "loss: start and end probabilities", minimum=0.0)
    offsets_weight: float = setting(1.0, "loss: distance from a snippet to the boundary beside it", minimum=0.0)
    tiou_weight: float = setting(5.0, "loss: regression of a proposal's tIoU", minimum=0.0)
    completeness_weight: float = setting(1.0, "loss: whether a proposal covers a whole action", minimum=0.0)
