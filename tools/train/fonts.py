"""Fonts of the Debian packages of fonts.txt, and digits drawn with them.

A font is taken if it draws ten digits that differ. The same packages give the same list in the
same order. One in ten is kept out of the training ("unseen"), by a checksum of its file name.
"""
import functools
import os
import re
import subprocess
import zlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = os.path.dirname(os.path.abspath(__file__))

# Not digits, or hardly to be read: symbols, outlines, hairlines, small capitals, initials, keys.
UNUSABLE = re.compile(r"DSEG14|DSEGWeather|Symbols|D050000L|Z003|tirekv|Outline|Hairline|Thin|"
                      r"UltraLight|Smallcaps|chorus|LinLibertine_I\b|Biolinum_K|MathTeX|\[|stencil")


@functools.lru_cache(maxsize=256)
def load(path, size):
    return ImageFont.truetype(path, size)


def glyph(char, path, size):
    """The ink of one character: mask [h,w] as an image of kind L, cut to the ink, and how far its
    top lies below the top of the line. None without ink."""
    font = load(path, size)
    left, top, right, bottom = font.getbbox(char)
    mask = Image.new("L", (max(1, right - left + 4), max(1, bottom - top + 4)))
    ImageDraw.Draw(mask).text((2 - left, 2 - top), char, font=font, fill=255)
    box = mask.getbbox()
    return (mask.crop(box), top - 2 + box[1]) if box else None


def draws_digits(path):
    try:
        inks = [glyph(digit, path, 48) for digit in "0123456789"]
    except OSError:
        return False
    if any(ink is None or ink[0].size[1] < 16 for ink in inks):
        return False
    return len({np.asarray(ink[0].resize((16, 16))).tobytes() for ink in inks}) == 10


def package_fonts(package):
    listing = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True, check=True)
    paths = sorted(line for line in listing.stdout.splitlines()
                   if re.search(r"\.[ot]tf$", line) and not UNUSABLE.search(os.path.basename(line)))
    return [path for path in paths if os.path.isfile(path) and draws_digits(path)]


def is_unseen(path):
    return zlib.crc32(os.path.basename(path).encode()) % 10 == 0


class Fonts:
    """which: "seen", "unseen" or "all". Packages are drawn by the square root of their size, so
    that a family of sixty weights does not outnumber the others."""

    def __init__(self, which="seen"):
        with open(os.path.join(HERE, "fonts.txt"), encoding="ascii") as file:
            packages = file.read().split()
        self.plain, self.segments = [], []
        for package in packages:
            paths = [path for path in package_fonts(package)
                     if which == "all" or is_unseen(path) == (which == "unseen")]
            if package == "fonts-dseg":
                self.segments = paths
            elif paths:
                self.plain.append(paths)
        weights = np.sqrt([len(paths) for paths in self.plain])
        self.weights = weights / weights.sum()

    def any(self, rng):
        paths = self.plain[rng.choice(len(self.plain), p=self.weights)]
        return paths[rng.integers(len(paths))]

    def segment(self, rng):
        return self.segments[rng.integers(len(self.segments))]

    def count(self):
        return sum(map(len, self.plain)) + len(self.segments)
