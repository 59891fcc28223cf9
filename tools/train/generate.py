#!/usr/bin/python3
"""Makes scenes with digits, and the truth about them.

    generate.py FOLDER --first SEED --count N [--fonts seen|unseen|all] [--jobs N]

Writes FOLDER/NNNNNN.jpg and FOLDER/truth.json: {"scenes": [{"image": ..., "width": ...,
"height": ..., "digits": [{"class": 7, "box": [x, y, w, h]}]}]}, in pixels. Scene N depends on N
alone, and on the fonts that are installed: the same packages give the same scenes.
"""
import argparse
import json
import multiprocessing
import os

import numpy as np

from fonts import Fonts
from scene import as_jpeg, make_scene

STATE = {}


def start(which, folder):
    STATE["fonts"], STATE["folder"] = Fonts(which), folder


def make(number):
    rng = np.random.default_rng([20231121, number])
    image, boxes = make_scene(rng, STATE["fonts"])
    name = f"{number:06d}.jpg"
    with open(os.path.join(STATE["folder"], name), "wb") as file:
        file.write(as_jpeg(rng, image))
    digits = [{"class": c, "box": [round(v, 2) for v in box]} for c, *box in boxes]
    return {"image": name, "width": image.size[0], "height": image.size[1], "digits": digits}


def truth_text(scenes):
    """JSON with a line for each scene and each digit, so that simple tools can read it."""
    blocks = []
    for scene in scenes:
        digits = ",\n".join("  " + json.dumps(digit) for digit in scene["digits"])
        head = json.dumps({key: scene[key] for key in ("image", "width", "height")})
        blocks.append(head[:-1] + ', "digits": [\n' + digits + "]}")
    return '{"scenes": [\n' + ",\n".join(blocks) + "]}\n"


def generate(folder, first, count, which="seen", jobs=2):
    os.makedirs(folder, exist_ok=True)
    with multiprocessing.Pool(jobs, start, (which, folder)) as pool:
        scenes = list(pool.imap(make, range(first, first + count), chunksize=16))
    with open(os.path.join(folder, "truth.json"), "w", encoding="ascii") as file:
        file.write(truth_text(scenes))
    return scenes


def main():
    parser = argparse.ArgumentParser(description="make scenes with digits and their truth")
    parser.add_argument("folder")
    parser.add_argument("--first", type=int, required=True, help="number of the first scene")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--fonts", choices=("seen", "unseen", "all"), default="seen")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    scenes = generate(options.folder, options.first, options.count, options.fonts, options.jobs)
    print(f"{len(scenes)} scenes, {sum(len(s['digits']) for s in scenes)} digits")


if __name__ == "__main__":
    main()
