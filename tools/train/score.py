#!/usr/bin/env python3
"""Scores detections of `tessera run` against the truth of generate.py: mAP at IoU 0.5.

    score.py TESSERA NAME SCENES [--thresh T] [--memory SIZE] [--jobs N]

NAME.cfg, NAME.weights and NAME.names are run on each scene of the folder SCENES, and the JSON that
the program writes is read. Needs nothing but Python. Per class the average precision is the area
under the interpolated curve of precision over recall; a digit is found once. Also counts the
scenes that are read without a mistake at the default threshold: each digit found, none
twice, none where there is none.
"""
import argparse
import concurrent.futures
import json
import os
import subprocess
import sys

CLASSES = 10
MIN_OVERLAP = .5


def detect(options, scene):
    command = [options.tessera, "run", options.name + ".cfg", "--weights",
               options.name + ".weights", "--image", os.path.join(options.scenes, scene["image"]),
               "--thresh", str(options.thresh), "--threads", "1", "--quiet", "--json", "-"]
    if options.memory:
        command += ["--memory", options.memory]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"score: {' '.join(command)}\n{done.stderr}")
    return [(d["class_id"], d["score"], [d["box"][key] for key in "xywh"])
            for d in json.loads(done.stdout)["detections"]]


def overlap(a, b):
    """IoU of two boxes x, y, w, h with x, y their upper left corner."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(0, w) * max(0, h)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def match(found, truth):
    """For detections of one class, best first: does each find a digit that nobody found yet?"""
    free, hits = [t["box"] for t in truth], []
    for _, _, box in found:
        best = max(free, key=lambda other: overlap(box, other), default=None)
        hits.append(best is not None and overlap(box, best) >= MIN_OVERLAP)
        if hits[-1]:
            free.remove(best)
    return hits


def average_precision(marks, n_truth):
    """marks: (score, hit) of all scenes."""
    marks.sort(key=lambda mark: -mark[0])
    points, n_hits = [], 0
    for n, (_, is_hit) in enumerate(marks, 1):
        n_hits += is_hit
        points.append((n_hits / n_truth, n_hits / n))
    area, best = 0.0, 0.0
    for i in range(len(points) - 1, -1, -1):
        best = max(best, points[i][1])
        area += (points[i][0] - (points[i - 1][0] if i else 0)) * best
    return area


def is_read(found, truth):
    sure = [d for d in found if d[1] >= .25]
    return len(sure) == len(truth) and all(
        all(match([d for d in sure if d[0] == c], [t for t in truth if t["class"] == c]))
        for c in range(CLASSES))


def main():
    parser = argparse.ArgumentParser(description="mAP at IoU 0.5 of tessera's detections")
    parser.add_argument("tessera")
    parser.add_argument("name")
    parser.add_argument("scenes")
    parser.add_argument("--thresh", type=float, default=.01)
    parser.add_argument("--memory")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with open(os.path.join(options.scenes, "truth.json"), encoding="ascii") as file:
        scenes = json.load(file)["scenes"]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda scene: detect(options, scene), scenes))
    marks, counts = [[] for _ in range(CLASSES)], [0] * CLASSES
    n_read, n_sure, n_sure_hits = 0, 0, 0
    for scene, found in zip(scenes, results):
        n_read += is_read(found, scene["digits"])
        for c in range(CLASSES):
            mine = sorted((d for d in found if d[0] == c), key=lambda d: -d[1])
            truth = [t for t in scene["digits"] if t["class"] == c]
            counts[c] += len(truth)
            hits = match(mine, truth)
            marks[c] += [(d[1], hit) for d, hit in zip(mine, hits)]
            n_sure += sum(d[1] >= .25 for d in mine)
            n_sure_hits += sum(hit for d, hit in zip(mine, hits) if d[1] >= .25)
    areas = [average_precision(marks[c], counts[c]) for c in range(CLASSES) if counts[c]]
    print("AP@0.5 " + "  ".join(f"{c}: {area:.3f}" for c, area in enumerate(areas)))
    print(f"at 0.25: precision {n_sure_hits / max(1, n_sure):.3f}, "
          f"recall {n_sure_hits / sum(counts):.3f}")
    print(f"read without a mistake: {n_read} of {len(scenes)} scenes")
    print(f"mAP@0.5 {sum(areas) / len(areas):.4f}  ({len(scenes)} scenes, {sum(counts)} digits)")


if __name__ == "__main__":
    main()
