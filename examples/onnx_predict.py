"""Detect actions with a model that ``tad export`` wrote, with NumPy and ONNX Runtime only: no PyTorch, no tad.

    pip install numpy onnxruntime
    python onnx_predict.py model.onnx recording.npy another.npy --output detections.json

Features are ``.npy`` arrays ``(snippets, channels)``, made as the model's training features were. ``model.json`` beside
the model says everything else that is needed. The steps are those of ``tad infer``: normalize, cut into clips, run the
model, fuse the scores, keep what each clip sees best, thin, write. Copy from it what you need.
"""

import argparse
import hashlib
import json
import os
import sys

import numpy as np
import onnxruntime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="the .onnx file; its .json must lie beside it")
    parser.add_argument("recordings", nargs="+", help=".npy files, (snippets, channels)")
    parser.add_argument("--output", default="detections.json")
    parser.add_argument("--fps", type=float, help="frames per second of the recordings, if not the model's own")
    parser.add_argument("--duration", type=float, help="seconds that the recordings last, if they have no frame rate")
    parser.add_argument("--external-scores", metavar="FILE", help="JSON {recording: {label: score}} of a classifier of "
                        "whole recordings")
    options = parser.parse_args()
    session, settings = load(options.model)
    external = read_external(options.external_scores, settings["classes"])
    results = {}
    for path in options.recordings:
        features = read_features(path, settings)
        grid = time_grid(len(features), settings["features"], options.fps, options.duration)
        name = os.path.splitext(os.path.basename(path))[0]
        results[name] = entries(detect(session, settings, features, grid, external.get(name)), settings["classes"])
        print("%s: %d detections" % (name, len(results[name])))
    with open(options.output, "w", encoding="utf-8") as stream:
        json.dump({"version": "tad 1", "results": results, "external_data": {}}, stream, indent=1)


def load(path):
    """The session and the settings of an exported model."""
    with open(os.path.splitext(path)[0] + ".json", encoding="utf-8") as stream:
        settings = json.load(stream)
    settings["postprocess"].setdefault("soft_threshold", 0)  # older models have none
    with open(path, "rb") as stream:
        model = stream.read()
    if hashlib.sha256(model).hexdigest() != settings["sha256"]:
        sys.exit("%s and its .json are not from the same export" % path)
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]), settings


def read_features(path, settings):
    """Normalized float32 (T, C)."""
    recipe = settings["features"]
    try:
        features = np.load(path, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError, EOFError) as error:
        sys.exit("cannot read %s: %s" % (path, error))
    if features.ndim != 2 or features.shape[1] != recipe["channels"] or not len(features):
        sys.exit("%s has shape %s, and the model takes (snippets, %d)" % (path, features.shape, recipe["channels"]))
    if not np.isfinite(features).all():
        sys.exit("%s has values that are not finite" % path)
    return (features - np.array(recipe["mean"], np.float32)) / np.array(recipe["deviation"], np.float32)


def read_external(path, classes):
    """External scores (K,) in the order of the classes, by recording; a label that is not there counts as 0."""
    if path is None:
        return {}
    try:
        with open(path, encoding="utf-8") as stream:
            table = json.load(stream)
        table = table.get("results", table)
        return {name: np.array([float(scores.get(label, 0)) for label in classes]) for name, scores in table.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        sys.exit("cannot read external scores from %s: %s" % (path, error))


def time_grid(snippets, recipe, fps, duration):
    """Seconds at the centre of snippet 0, and from one snippet to the next."""
    fps = fps or recipe["fps"]
    if fps:
        return recipe["window"] / 2.0 / fps, recipe["stride"] / fps
    if not duration:
        sys.exit("the model knows no frame rate; give --fps or --duration")
    return duration / snippets / 2.0, duration / snippets


def detect(session, settings, features, grid, external=None):
    """Detections of one recording, best first: segments (N, 2) in seconds, labels (N,), scores (N,)."""
    origin, step = grid
    end_s = origin + len(features) * step
    clips = list(cut(features, settings["clips"]))
    found = []
    for first in range(0, len(clips), settings["clips"]["batch"]):
        batch = clips[first:first + settings["clips"]["batch"]]
        inputs = {"features": np.stack([clip["features"] for clip in batch]),
                  "valid": np.array([clip["valid"] for clip in batch], np.int64)}
        outputs = session.run(settings["outputs"], inputs)
        for index, clip in enumerate(batch):
            count = outputs[-1][index]  # rows beyond it are not proposals
            segments, labels, scores = fuse([values[index, :count] for values in outputs[:-1]], settings["postprocess"],
                                            external)
            centres = segments.mean(axis=1)
            owned = (centres >= clip["owned"][0]) & (centres < clip["owned"][1])
            segments = np.clip(origin + step * (clip["first"] + segments * clip["step"]), 0, end_s)
            owned &= segments[:, 1] > segments[:, 0]
            found.append((segments[owned], labels[owned], scores[owned]))
    return thin(*(np.concatenate(parts) for parts in zip(*found)), settings=settings["postprocess"])


def cut(features, settings):
    """The clips of a recording. A clip's snippet i lies at first + i * step of the recording's."""
    length, snippets = settings["length"], len(features)
    if settings["mode"] == "rescale":
        step = snippets / float(length)
        yield make_clip(features, step / 2 - 0.5, step, length, (-np.inf, np.inf))
        return
    hop = max(1, int(round(length * (1 - settings["overlap"]))))
    firsts = list(range(0, snippets - length, hop)) + [max(0, snippets - length)]
    margin = length / 16.0
    for index, first in enumerate(firsts):
        # Where two windows overlap, each reports what lies nearer to its own centre, and a little more
        low, high = -np.inf, np.inf
        if index > 0:
            low = (firsts[index - 1] - first + length) / 2.0 - margin
        if index + 1 < len(firsts):
            high = (firsts[index + 1] - first + length) / 2.0 + margin
        yield make_clip(features, first, 1, length, (low, high))


def make_clip(features, first, step, length, owned):
    """Float32 (C, length), interpolated, and zero where the recording has ended."""
    snippets = len(features)
    valid = int(np.clip(np.ceil((snippets - 0.5 - first) / step), 1, length))
    positions = np.clip(first + np.arange(valid) * step, 0, snippets - 1)
    left = np.floor(positions).astype(int)
    right = np.minimum(left + 1, snippets - 1)
    part = (positions - left).astype(np.float32)[:, None]
    padded = np.zeros((features.shape[1], length), np.float32)
    padded[:, :valid] = (features[left] * (1 - part) + features[right] * part).T
    return {"features": padded, "valid": valid, "first": first, "step": step, "owned": owned}


def fuse(proposals, settings, external=None):
    """One score for each of a proposal's best classes: a product of powers."""
    segments, classes, boundaries, tiou, completeness = proposals
    common = (boundaries ** settings["boundary_power"] * tiou ** settings["tiou_power"]
              * completeness ** settings["completeness_power"])
    ranked, powers = classes, classes ** settings["class_power"]
    allowed = np.ones(classes.shape[1], bool)
    if external is not None:
        ranked = powers = powers * external ** settings["external_power"]
        most = settings["classes_per_recording"] or len(external)
        allowed[np.argsort(-external, kind="stable")[most:]] = False
    best = np.argsort(-np.where(allowed, ranked, -1), axis=1, kind="stable")[:, :settings["classes_per_proposal"]]
    scores = np.take_along_axis(powers, best, axis=1) * common[:, None]
    rows, columns = np.nonzero((scores >= settings["min_score"]) & allowed[best])
    return segments[rows], best[rows, columns], scores[rows, columns]


def thin(segments, labels, scores, settings):
    """Thin overlapping detections, within each class or across all; then the best top_k, best first."""
    most, top_k = max(settings["most_compared"], settings["top_k"]), settings["top_k"]
    group_of = labels if settings["per_class"] else np.zeros_like(labels)
    kept, final = [np.zeros(0, int)], [np.zeros(0)]
    for group in np.unique(group_of):
        members = np.flatnonzero(group_of == group)
        members = members[np.argsort(-scores[members], kind="stable")][:most]
        if settings["method"] == "soft_nms":
            chosen, new_scores = soft_nms(segments[members], scores[members], settings)
        elif settings["method"] == "nms":
            chosen = nms(segments[members], settings["tiou_threshold"])
            new_scores = scores[members][chosen]
        else:
            chosen, new_scores = np.arange(len(members)), scores[members]
        kept.append(members[chosen])
        final.append(new_scores)
    kept, final = np.concatenate(kept), np.concatenate(final)
    order = np.argsort(-final, kind="stable")[:top_k]
    return segments[kept[order]], labels[kept[order]], final[order]


def soft_nms(segments, scores, settings):
    """Gaussian soft-NMS (Bodla et al., 2017): each choice lowers the scores of those that overlap it."""
    scores = scores.copy()
    chosen, final = [], []
    while len(chosen) < min(settings["top_k"], len(scores)):
        best = int(np.argmax(scores))
        if scores[best] < settings["min_score"] or scores[best] <= 0:
            break
        chosen.append(best)
        final.append(scores[best])
        overlap = tiou(segments[best], segments)
        decay = np.exp(-overlap ** 2 / settings["sigma"])
        scores *= np.where(overlap > settings["soft_threshold"], decay, 1)
        scores[best] = -1
    return np.array(chosen, int), np.array(final, float)


def nms(segments, threshold):
    """Greedy NMS of segments sorted by score."""
    alive = np.ones(len(segments), bool)
    for index in range(len(segments)):
        if alive[index]:
            alive[index + 1:] &= tiou(segments[index], segments[index + 1:]) <= threshold
    return np.flatnonzero(alive)


def tiou(segment, others):
    """Temporal intersection over union of one segment with others (N, 2)."""
    shared = np.maximum(np.minimum(segment[1], others[:, 1]) - np.maximum(segment[0], others[:, 0]), 0)
    union = (segment[1] - segment[0]) + (others[:, 1] - others[:, 0]) - shared
    return np.where(union > 0, shared / np.maximum(union, 1e-300), 0)


def entries(detections, classes):
    """Detections as they are written."""
    return [{"label": classes[label], "score": round(float(score), 6),
             "segment": [round(float(second), 4) for second in segment]} for segment, label, score in zip(*detections)]


if __name__ == "__main__":
    main()
