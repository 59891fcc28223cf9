#!/usr/bin/python3
"""Prints the anchors that suit the scenes of a folder of generate.py: k-means with the overlap
of shapes as likeness, in cells. They are copied into layers.py.

    anchors.py SCENES [N]
"""
import json
import os
import sys

import numpy as np

from layers import SIDE, STRIDE


def sizes(folder):
    with open(os.path.join(folder, "truth.json"), encoding="ascii") as file:
        scenes = json.load(file)["scenes"]
    return np.array([[v * SIDE / max(s["width"], s["height"]) / STRIDE for v in d["box"][2:]]
                     for s in scenes for d in s["digits"]])


def likeness(shapes, anchors):
    common = np.minimum(shapes[:, None], anchors).prod(2)
    return common / (shapes.prod(1)[:, None] + anchors.prod(1) - common)


def main():
    shapes = sizes(sys.argv[1])
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    by_area = shapes[shapes.prod(1).argsort()]
    anchors = np.array([by_area[len(shapes) * (2 * i + 1) // (2 * n)] for i in range(n)])
    for _ in range(100):
        nearest = likeness(shapes, anchors).argmax(1)
        anchors = np.array([np.median(shapes[nearest == i], 0) for i in range(n)])
    anchors = anchors[anchors.prod(1).argsort()]
    print(", ".join(f"({w:.2f}, {h:.2f})" for w, h in anchors))
    heights = np.percentile(shapes[:, 1] * STRIDE, [1, 10, 50, 90, 99]).round()
    print(f"mean overlap {likeness(shapes, anchors).max(1).mean():.3f}, {len(shapes)} digits, "
          f"heights {heights}")


if __name__ == "__main__":
    main()
