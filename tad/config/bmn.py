"""Settings of the detector ``bmn``."""

from dataclasses import dataclass
from typing import Optional, Tuple

from tad.config.fields import setting


@dataclass(frozen=True)
class BMNSettings:
    """The detector ``bmn``: Boundary-Matching Network (Lin et al., ICCV 2019); defaults are the paper's, table 1."""

    width: int = setting(256, "channels of the base and temporal evaluation modules", minimum=8)
    proposal_width: int = setting(128, "channels that a proposal samples and of the map", minimum=4)
    fusion_width: int = setting(512, "channels that the samples of a proposal are joined to", minimum=4)
    proposal_samples: int = setting(32, "points sampled over a proposal with its context (N)", minimum=2)
    context: float = setting(0.25, "a proposal is widened at each end by this part of its duration", minimum=0.0)
    sampling: str = setting("indexed", "how the map's features are sampled: mask, the paper's weight matrix; indexed, "
                                       "the same numbers without it; align1d, the means of bins",
                            choices=("mask", "indexed", "align1d"))
    max_duration: Optional[int] = setting(None, "longest proposal in snippets (D)", minimum=1)
    class_head: bool = setting(True, "score classes of snippets; false needs the scores of an external classifier")
    # The paper has no class head; the five snippets that its two layers see tell borders, but not classes
    class_dilations: Tuple[int, ...] = setting((1, 2, 4, 8), "dilations of the class head's convolutions; each adds "
                                                             "twice itself to the 5 snippets that a score is from",
                                               minimum=1, needs="class_head")
    dropout: float = setting(0.0, "dropout of the map's features", minimum=0.0, maximum=0.95)
    boundary_radius: float = setting(1.5, "snippets beside a start or end that learn it (section 3.2)", minimum=0.5)
    samples: int = setting(768, "most cells of a training window whose tIoU is regressed, a third from each range",
                           minimum=3)
    complete_tiou: float = setting(0.9, "tIoU from which a cell counts as a whole action (section 3.4)",
                                   minimum=0.05, maximum=1.0)
    candidates: int = setting(800, "proposals of a window that are kept at inference, by start x end", minimum=1)
    classes_weight: float = setting(1.0, "loss: multi-label class scores of the snippets", minimum=0.0,
                                    needs="class_head")
    boundaries_weight: float = setting(1.0, "loss: start and end probabilities", minimum=0.0)
    tiou_weight: float = setting(10.0, "loss: regression of a proposal's tIoU (lambda)", minimum=0.0)
    completeness_weight: float = setting(1.0, "loss: whether a proposal covers a whole action", minimum=0.0)
