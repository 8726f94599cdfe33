"""``tad predict`` on files: every recording on its own, so that a bad one does not cost the others."""

import warnings
from typing import Dict, List, NamedTuple

from tad.data.external import external_scores
from tad.data.features import FeatureError
from tad.data.rows import open_rows
from tad.errors import DataWarning, UserError
from tad.postprocess.fusion import Detections


class Predicted(NamedTuple):
    """``detections`` by id; ``failed``: a sentence for each recording that could not be used; ``paths`` written."""

    detections: Dict[str, Detections]
    failed: List[str]
    paths: List[str]


def predict_places(predictor, places, output, rate, choice, external=None, picture=False, tell=None):
    """Detect in recordings and write what is found; also when Ctrl-C ends the work early.

    :param predictor: :class:`tad.predict.Predictor`
    :param places: list of :class:`tad.predict.recordings.Place`
    :param output: :class:`tad.predict.output.Output`
    :param rate: :class:`tad.predict.Rate`; ``choice``: :class:`tad.predict.Choice`.
    :param external: file of external scores, or None.
    :param picture: also draw each recording.
    :param tell: function (id, detections), called after each recording.
    :returns: :class:`Predicted`
    """
    classes = predictor.classes
    scores = external_scores(external, classes, [place.id for place in places])
    result = Predicted({}, [], [])
    try:
        for place in places:
            try:
                rows = open_rows(place.store, place.name)
                found = predictor.detect(rows, rate, choice._replace(external=scores.get(place.id)), place.recipe,
                                         place.path, progress=True)
            except FeatureError as error:
                result.failed.append("%s %s" % (place.path, error))
                continue
            except UserError as error:
                result.failed.append(str(error))
                continue
            finally:
                place.store.forget()
            result.detections[place.id] = found
            result.paths.extend(output.write_one(place.id, found, classes))
            if picture:
                end_s = predictor.grid(rows, rate, place.recipe, place.path).end_s(len(rows))
                result.paths.append(output.draw(place.id, found, classes, end_s))
            if tell is not None:
                tell(place.id, found)
    finally:
        if result.detections:
            result.paths.extend(output.write_all(result.detections, classes))
    return result


def report_failed(failed, good):
    """Tell of the recordings that could not be used: each by name, then how many.

    :param failed: list of sentences.
    :param good: how many recordings were predicted.
    :raises UserError: if there are any.
    """
    if not failed:
        return
    if len(failed) == 1 and not good:
        raise UserError(failed[0])
    for sentence in failed:
        warnings.warn(sentence, DataWarning, stacklevel=2)
    raise UserError("%d of %d recordings could not be used; the warnings name them%s" % (
        len(failed), len(failed) + good, "" if not good else ", and the detections of the others are written"))
