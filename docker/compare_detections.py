"""Whether two detections files say the same: ``python docker/compare_detections.py ONE OTHER``."""

import json
import sys

TOLERANCE = 1e-4  # of seconds, and of a score as a part of it
ROUNDING = 2e-6  # files carry four decimals of seconds and six of a score


def differences(one, other, tolerance=TOLERANCE):
    """A sentence for each recording whose detections differ between two files."""
    left, right = read(one), read(other)
    found = []
    for recording in sorted(set(left) | set(right)):
        problem = compare(left.get(recording), right.get(recording), tolerance)
        if problem:
            found.append("%s and %s: recording %s: %s" % (one, other, recording, problem))
    return found


def read(path):
    """``{recording: [(label, start, end, score)]}``."""
    with open(path, encoding="utf-8") as stream:
        results = json.load(stream)["results"]
    return {recording: [(each["label"], each["segment"][0], each["segment"][1], each["score"]) for each in detections]
            for recording, detections in results.items()}


def compare(left, right, tolerance):
    """What is the first difference, or None. Order is free: equal scores may come in any."""
    if left is None or right is None:
        return "in one file only"
    if len(left) != len(right):
        return "%d and %d detections" % (len(left), len(right))
    rest = list(right)
    for detection in left:
        partner = next((each for each in rest if alike(detection, each, tolerance)), None)
        if partner is None:
            return "no partner for %s, %.4f to %.4f s, score %.6f" % detection
        rest.remove(partner)
    return None


def alike(left, right, tolerance):
    """The same label, times within the tolerance, scores within that part of the larger one."""
    times = max(abs(left[1] - right[1]), abs(left[2] - right[2]))
    score, most = abs(left[3] - right[3]), max(abs(left[3]), abs(right[3]))
    return left[0] == right[0] and times <= tolerance + ROUNDING and score <= tolerance * most + ROUNDING


def main():
    found = differences(*sys.argv[1:3])
    print("\n".join(found) or "same detections to %g" % TOLERANCE)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
