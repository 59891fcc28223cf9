#!/usr/bin/python3
"""Writes what train.py kept as darknet's files.

    export.py KEPT.npz FOLDER/NAME      makes FOLDER/NAME.cfg, .weights and .names

Batch normalisation is folded into the kernels, so that the file holds biases and kernels alone.
"""
import sys

import numpy as np

from layers import CLASSES, LAYERS, cfg_text

EPSILON = 1e-5  # of torch's BatchNorm2d


def folded(kept, number):
    """Kernel [filters, channels, rows, columns] and bias [filters] of one layer."""
    kernel = kept[f"{number}.kernel"].astype(np.float64)
    if f"{number}.scale" not in kept:
        return kernel, kept[f"{number}.bias"]
    variance = kept[f"{number}.variance"].astype(np.float64)
    factor = kept[f"{number}.scale"] / np.sqrt(variance + EPSILON)
    return kernel * factor[:, None, None, None], \
        kept[f"{number}.bias"] - kept[f"{number}.mean"] * factor


def export(kept, path):
    with open(path + ".cfg", "w", encoding="ascii") as file:
        file.write(cfg_text())
    with open(path + ".names", "w", encoding="ascii") as file:
        file.write("".join(f"{digit}\n" for digit in range(CLASSES)))
    with open(path + ".weights", "wb") as file:
        np.array([0, 2, 0, 0, 0], "<i4").tofile(file)  # version 0.2.0, images seen as 64 bits
        for number, (kind, *_) in enumerate(LAYERS):
            if kind == "conv":
                kernel, bias = folded(kept, number)
                bias.astype("<f4").tofile(file)
                kernel.astype("<f4").tofile(file)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: export.py KEPT.npz FOLDER/NAME")
    with np.load(sys.argv[1]) as kept:
        export(dict(kept), sys.argv[2])


if __name__ == "__main__":
    main()
