"""The network, once: train.py builds it in torch, export.py writes it as a cfg."""
import numpy as np

SIDE = 320
STRIDE = 16
CLASSES = 10

# Widths and heights in cells of 16 pixels: printed by anchors.py.
ANCHORS = ((0.78, 1.33), (1.05, 1.59), (1.35, 2.09), (1.82, 2.76), (2.77, 4.20))

# In darknet's order and numbering: ("conv", filters, size), ("pool",), ("route", layers...),
# ("reorg",). The passthrough carries layer 6, at 40x40, past two 3x3 convolutions at 20x20.
LAYERS = (
    ("conv", 16, 3), ("pool",),
    ("conv", 24, 3), ("pool",),
    ("conv", 48, 3), ("pool",),
    ("conv", 96, 3), ("pool",),
    ("conv", 128, 3), ("conv", 64, 1), ("conv", 128, 3),
    ("route", 6), ("conv", 24, 1), ("reorg",),
    ("route", 13, 10),
    ("conv", 64, 1), ("conv", 128, 3),
    ("conv", len(ANCHORS) * (5 + CLASSES), 1),
)


def shapes():
    """(channels, stride) behind each layer."""
    found = []
    for kind, *rest in LAYERS:
        channels, stride = found[-1] if found else (3, 1)
        if kind == "conv":
            channels = rest[0]
        elif kind == "pool":
            stride *= 2
        elif kind == "route":
            channels, stride = sum(found[i][0] for i in rest), found[rest[0]][1]
        else:
            channels, stride = channels * 4, stride * 2
        found.append((channels, stride))
    return found


def reorg_places(c, h, w):
    """Where each element of darknet's reorg by 2 comes from: [4c * h/2 * w/2] places in the
    input's memory [c,h,w]. darknet mixes rows and channels here, and so do we."""
    k, j, i = np.meshgrid(np.arange(c), np.arange(h), np.arange(w), indexing="ij")
    n = c // 4
    column, row = 2 * i + k // n % 2, 2 * j + k // n // 2
    return (column + 2 * w * (row + 2 * h * (k % n))).ravel()


def cfg_text():
    lines = ["# Reads digits: see digits.md beside this file. Written by tools/train/export.py.",
             "", "[net]", f"width={SIDE}", f"height={SIDE}", "channels=3"]
    for number, (kind, *rest) in enumerate(LAYERS):
        lines += ["", f"# {number}"]
        if kind == "conv":
            is_last = number == len(LAYERS) - 1
            lines += ["[convolutional]", f"filters={rest[0]}", f"size={rest[1]}", "stride=1",
                      "pad=1", f"activation={'linear' if is_last else 'leaky'}"]
        elif kind == "pool":
            lines += ["[maxpool]", "size=2", "stride=2"]
        elif kind == "route":
            lines += ["[route]", "layers=" + ",".join(str(i - number) for i in rest)]
        else:
            lines += ["[reorg]", "stride=2"]
    anchors = ", ".join(f"{w},{h}" for w, h in ANCHORS)
    lines += ["", f"# {len(LAYERS)}: anchors are widths and heights in cells of {STRIDE} pixels",
              "[region]", f"classes={CLASSES}", "coords=4", f"num={len(ANCHORS)}", "softmax=1",
              f"anchors={anchors}", ""]
    return "\n".join(lines)
