"""Settings of the detector ``bsn``."""

from dataclasses import dataclass
from typing import Optional, Tuple

from tad.config.fields import setting


@dataclass(frozen=True)
class BSNSettings:
    """The detector ``bsn``: Boundary-Sensitive Network (Lin et al., ECCV 2018).

    Defaults are the paper's (section 3 and 4.1), where the explanation says nothing else.
    """

    width: int = setting(512, "channels of the temporal evaluation module", minimum=8)
    input_dropout: float = setting(0.0, "dropout of whole input channels, also for the curves that the second stage "
                                        "learns from, which are surer in training than on new recordings",
                                   minimum=0.0, maximum=0.95)
    dilations: Tuple[int, ...] = setting((1, 1), "dilations of its convolutions of 3 snippets; with more and larger "
                                                 "ones it can tell the end of an action from that of a part", minimum=1)
    proposal_width: int = setting(512, "hidden units of the proposal evaluation module", minimum=4)
    boundary_share: float = setting(0.5, "part of train.steps in which the temporal evaluation module and the class "
                                         "head learn; in the rest it is the proposal evaluation module", minimum=0.01,
                                    maximum=0.99)
    class_head: bool = setting(True, "score classes of snippets; false needs the scores of an external classifier")
    # The paper has no class head; the five snippets that its two layers see tell borders, but not classes
    class_dilations: Tuple[int, ...] = setting((1, 2, 4, 8), "dilations of the class head's convolutions; each adds "
                                                             "twice itself to the snippets that a score is from",
                                               minimum=1, needs="class_head")
    boundary_part: float = setting(0.1, "part of an action's duration, to each side of its start and end, that learns "
                                        "them", minimum=0.0, maximum=0.5)
    boundary_radius: float = setting(1.5, "but no fewer snippets to each side (BMN's; the authors' code: 0.5)",
                                     minimum=0.5)
    peak_fraction: float = setting(0.5, "a snippet above this part of the window's highest startness is a start, and "
                                        "so for ends; local peaks are as well (authors' code; the paper: above 0.9)",
                                   minimum=0.0, maximum=1.0)
    max_duration: Optional[int] = setting(None, "longest proposal in snippets", minimum=1)
    curves: str = setting("actionness", "what a proposal's features are sampled from: the curve of actionness alone, "
                                        "or all: startness and endness too", choices=("actionness", "all"))
    region: float = setting(0.2, "the regions of start and end reach this part of the duration to each side",
                            minimum=0.01, maximum=1.0)
    region_points: int = setting(8, "points sampled in the regions of start and end, each", minimum=2)
    course_points: int = setting(16, "points sampled from start to end", minimum=2)
    samples: int = setting(256, "most proposals of a training window whose tIoU is regressed", minimum=4)
    candidates: int = setting(1000, "proposals of a window that are evaluated, by start x end (the authors' code)",
                              minimum=1)
    actionness_weight: float = setting(2.0, "loss: actionness (lambda)", minimum=0.0)
    boundaries_weight: float = setting(1.0, "loss: startness and endness", minimum=0.0)
    classes_weight: float = setting(1.0, "loss: multi-label class scores of the snippets", minimum=0.0,
                                    needs="class_head")
    confidence_weight: float = setting(1.0, "loss: regression of a proposal's tIoU", minimum=0.0)
