"""Settings of the detector ``ssn``."""

from dataclasses import dataclass
from typing import Tuple

from tad.config.fields import setting


@dataclass(frozen=True)
class SSNSettings:
    """The detector ``ssn``: Structured Segment Networks (Zhao et al., ICCV 2017) on proposals of TAG.

    Defaults are the paper's or the authors' code's, where the explanation names them.
    """

    width: int = setting(256, "channels of the snippets' features", minimum=8)
    input_dropout: float = setting(0.0, "dropout of whole input channels", minimum=0.0, maximum=0.95)
    dropout: float = setting(0.5, "dropout of a proposal's pooled features (the authors' code: 0.8, of 1024 channels)",
                             minimum=0.0, maximum=0.95)
    pyramid: Tuple[int, ...] = setting((1, 2), "parts of the course at each level of its pyramid (section 3.2)",
                                       minimum=1, maximum=16)
    context: float = setting(0.5, "the stages start and end last this part of the proposal's duration (section 3.1)",
                             minimum=0.0, maximum=4.0)
    actionness: str = setting("classes", "curves that TAG groups: binary, of any action (the paper); classes, of each "
                                         "class too, which parts actions that touch", choices=("binary", "classes"))
    tag_step: float = setting(0.05, "step of TAG's levels and tolerances (section 5)", minimum=0.01, maximum=0.5)
    copy_tiou: float = setting(0.95, "at inference a proposal goes if its tIoU with a better one is above (section 5)",
                               minimum=0.5, maximum=1.0)
    candidates: int = setting(1000, "proposals of a window that are judged at inference, by the mean actionness inside",
                              minimum=1, maximum=20000)
    samples: int = setting(32, "proposals sampled from each training window (the paper: 8)", minimum=3)
    incomplete_ratio: float = setting(6.0, "incomplete ones among them to each positive and each background one "
                                           "(section 4.1: 1:6:1)", minimum=0.1, maximum=100.0)
    jittered: float = setting(0.5, "part of them that is drawn around actions and between them rather than from TAG; "
                                   "where one of both has too few, the other gives more", minimum=0.0, maximum=1.0)
    positive_tiou: float = setting(0.7, "tIoU with an action from which a proposal is positive (section 3.3)",
                                   minimum=0.05, maximum=1.0)
    incomplete_tiou: float = setting(0.3, "tIoU below which it may be incomplete (section 3.3)",
                                     minimum=0.0, maximum=1.0)
    incomplete_share: float = setting(0.01, "part of an incomplete one that lies in the action, at least (section 3.3: "
                                            "0.8; the authors' code for THUMOS14: 0.01, so that long ones count too)",
                                      minimum=0.0, maximum=1.0)
    background_tiou: float = setting(0.01, "tIoU below which one that is not incomplete is background (the authors' "
                                           "code)", minimum=0.0, maximum=1.0)
    hard_part: float = setting(1 / 6.0, "part of a window's incomplete ones, those of the highest losses, that "
                                        "completeness learns from (section 4.1)", minimum=0.001, maximum=1.0)
    actionness_weight: float = setting(1.0, "loss: actionness of the snippets", minimum=0.0)
    activity_weight: float = setting(1.0, "loss: class of a proposal, or background", minimum=0.0)
    completeness_weight: float = setting(1.0, "loss: whether a proposal is a whole action of its class (0.1 in the "
                                              "authors' code)", minimum=0.0)
    location_weight: float = setting(1.0, "loss: centre and duration of the action of a positive proposal (0.1 in the "
                                          "authors' code)", minimum=0.0)
