"""Small THUMOS14, ActivityNet and HACS folders, and a writer of MATLAB files, for tests without the real ones."""

import os
import struct
import zlib

import numpy as np

from tad.data.prepare.thumos14_checks import CLASSES
from tests.helpers import write_json

SIZES = {"b": 1, "B": 2, "h": 3, "H": 4, "i": 5, "I": 6, "f": 7, "d": 9}


def element(kind, content, order="<"):
    """An element of a MATLAB file with its tag, padded; small ones inside the tag."""
    if 0 < len(content) <= 4:
        return struct.pack(order + "I", len(content) << 16 | kind) + content.ljust(4, b"\0")
    return struct.pack(order + "II", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def numbers(letter, values, order="<"):
    return element(SIZES[letter], struct.pack("%s%d%s" % (order, len(values), letter), *values), order)


def matrix(kind, shape, rest, name="", order="<"):
    return element(14, numbers("I", [kind, 0], order) + numbers("i", shape, order)
                   + element(1, name.encode("latin-1"), order) + rest, order)


def value(content, order="<"):
    """Text, a number, a tuple of numbers, or a list of values as a cell."""
    if isinstance(content, str):
        code = "utf-16-le" if order == "<" else "utf-16-be"
        return matrix(4, [1 if content else 0, len(content)], element(17, content.encode(code), order), order=order)
    if isinstance(content, list):
        return matrix(1, [1, len(content)], b"".join(value(one, order) for one in content), order=order)
    values = content if isinstance(content, tuple) else (content,)
    return matrix(6, [1 if values else 0, len(values)], numbers("d", [float(one) for one in values], order),
                  order=order)


def struct_matrix(rows, name, order="<"):
    fields = list(rows[0])
    names = b"".join(field.encode("latin-1").ljust(64, b"\0") for field in fields)
    inner = b"".join(value(row[field], order) for row in rows for field in fields)
    return matrix(2, [1, len(rows)], numbers("i", [64], order) + element(1, names, order) + inner, name, order)


def mat_file(variables, order="<", packed=True):
    """The bytes of a file of some matrices."""
    content = b"MATLAB 5.0 MAT-file, made for a test".ljust(124) + struct.pack(order + "H", 0x100)
    content += b"IM" if order == "<" else b"MI"
    for variable in variables:
        body = zlib.compress(variable)
        content += struct.pack(order + "II", 15, len(body)) + body if packed else variable
    return content


def write_bytes(path, content):
    with open(str(path), "wb") as stream:
        stream.write(content)
    return str(path)


def write_text(path, lines):
    return write_bytes(path, "".join(line + "\n" for line in lines).encode("utf-8"))


def listed(name, label, frames=3000, fps=30.0, extra=0.0, others=()):
    """An entry of a THUMOS14 list of videos."""
    return {"video_name": name, "primary_action": label, "secondary_actions": [[other] for other in others],
            "video_duration_seconds": frames / fps + extra, "number_of_frames": frames, "frame_rate_FPS": fps}


def annotation_rows(instances, fps=30.0):
    """Lines of an annotation table from ``(video, label, start, end)``."""
    return ["video,type,type_idx,start,end,startFrame,endFrame"] + ["%s,%s,%d,%g,%g,%d,%d" % (
        video, label, CLASSES.get(label, 0), start, end, round(start * fps), round(end * fps))
        for video, label, start, end in instances]


def truth_rows(instances, fps=30.0, frames=3000):
    """Lines of the ground truth table from the same."""
    numbers_of = dict({name: index for index, name in enumerate(CLASSES)}, Ambiguous=-1)
    return ["video-name,t-init,t-end,f-init,f-end,video-duration,frame-rate,video-frames,label-idx"] + [
        "%s,%g,%g,%d,%d,%.6f,%s,%d,%d" % (video, start, end, round(start * fps), round(end * fps), frames / fps, fps,
                                          frames, numbers_of[label]) for video, label, start, end in instances]


VALIDATION = [("video_validation_0000001", "Diving", 5.0, 9.0), ("video_validation_0000001", "CliffDiving", 5.0, 9.0),
              ("video_validation_0000002", "HighJump", 20.0, 24.5)]
TEST = [("video_test_0000001", "HighJump", 3.0, 6.0), ("video_test_0000002", "Diving", 10.0, 12.0)]


def write_thumos14(folder):
    """A folder whose files all agree; returns its path."""
    folder = str(folder)
    os.makedirs(folder, exist_ok=True)
    videos = [listed("video_validation_0000001", "CliffDiving", others=("Diving",)),
              listed("video_validation_0000002", "HighJump")]
    tested = [listed("video_test_0000001", "HighJump"), listed("video_test_0000002", "Diving")]
    write_bytes(os.path.join(folder, "val_info.mat"), mat_file([struct_matrix(videos, "videos")]))
    write_bytes(os.path.join(folder, "test_info.mat"), mat_file([struct_matrix(tested, "videos")]))
    write_text(os.path.join(folder, "val_Annotation.csv"), annotation_rows(VALIDATION))
    write_text(os.path.join(folder, "test_Annotation.csv"), annotation_rows(TEST))
    write_text(os.path.join(folder, "thumos14_test_groundtruth.csv"), truth_rows(TEST))
    write_json(os.path.join(folder, "thumos_classes_idx.json"),
               dict({name: index + 1 for index, name in enumerate(CLASSES)}, Background=0))
    database = {}
    for subset, instances in (("train", VALIDATION), ("test", TEST)):
        for video, label, start, end in instances:
            entry = database.setdefault(video, {"subset": subset, "annotations": []})
            entry["annotations"].append({"segment": [str(start), str(end)], "label": label})
    write_json(os.path.join(folder, "thumos_gt.json"), {"database": database})
    scores = np.full((2, 101), 0.001, np.float32)
    scores[0, CLASSES["HighJump"] - 1] = scores[1, CLASSES["Diving"] - 1] = 1.9
    np.save(os.path.join(folder, "uNet_test.npy"), scores)
    return folder


def write_activitynet(folder):
    """A folder whose files agree; returns its path."""
    folder = str(folder)
    os.makedirs(folder, exist_ok=True)
    actions = {"v_a": ("training", [[1.0, 3.0]], 40.0, 1000), "v_b": ("validation", [[0.5, 9.0]], 20.0, 600),
               "v_c": ("testing", [], 30.0, 750)}
    write_json(os.path.join(folder, "anet_anno_action.json"), {
        name: {"duration_second": seconds, "duration_frame": frames, "feature_frame": frames // 16 * 16,
               "annotations": [{"segment": segment, "label": "Curling"} for segment in segments]}
        for name, (_, segments, seconds, frames) in actions.items()})
    write_text(os.path.join(folder, "video_info_new.csv"), ["video,numFrame,seconds,fps,rfps,subset,featureFrame"] + [
        "%s,%d,%s,%s,%s,%s,%d" % (name, frames, seconds, frames / seconds, frames / seconds, subset, frames // 16 * 16)
        for name, (subset, _, seconds, frames) in actions.items()])
    write_text(os.path.join(folder, "action_name.csv"), ["action", "Curling"])
    return folder
