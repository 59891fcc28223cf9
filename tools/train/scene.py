"""One scene: background, panels in perspective, light, lens, sensor. Returns picture and truth.

make_scene(rng, fonts) -> (image RGB, [(digit, x, y, w, h)]) with boxes around the ink, in pixels.
All chance comes from `rng`.
"""
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from backgrounds import background, smooth_noise
from panels import KINDS, MIN_CONTRAST, luma, colour, worn

NET = 320       # side of the network's input: sizes below are at that scale
MIN_H = 20      # least height of a digit there
MIN_ADVANCE = 11  # least distance from one digit to the next
SHAPES = ((320, 320), (320, 240), (240, 320), (400, 300), (480, 360), (512, 384), (640, 480),
          (480, 640), (640, 360))
WEIGHTS = {"plate": .2, "meter": .22, "display": .14, "house number": .15, "label": .13,
           "dial": .06, "single": .10}


def homography(source, target):
    """3x3 that takes the four points `source` to `target`."""
    rows, right = [], []
    for (x, y), (u, v) in zip(source, target):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    solved = np.linalg.solve(np.array(rows, float), np.array(right, float))
    return np.append(solved, 1).reshape(3, 3)


def carry(matrix, points):
    moved = np.concatenate([points, np.ones((len(points), 1))], 1) @ matrix.T
    return moved[:, :2] / moved[:, 2:]


def quad(rng, w, h, centre):
    """Where the corners of a w x h panel come to lie around `centre`."""
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2
    angle = np.deg2rad(rng.normal(0, 6) if rng.random() < .8 else rng.uniform(-22, 22))
    shear = rng.normal(0, .06)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    squeeze = np.array([[rng.uniform(.75, 1), shear], [0, rng.uniform(.88, 1)]])
    side = min(w, h)
    return corners @ squeeze.T @ turn.T + rng.normal(0, .05, (4, 2)) * side + centre


def colour_bare(rng, panel, scene, box):
    """Digits straight upon the scene get a colour that stands out there, and maybe a shadow."""
    line, margin = panel.bare_line
    ground = np.asarray(scene.crop(box).resize((8, 8), Image.BOX), np.float32).reshape(-1, 3)
    tones = ground @ np.array([.3, .59, .11])
    for _ in range(60):
        ink = colour(rng)
        if np.abs(luma(ink) - tones).min() >= MIN_CONTRAST * .8:
            break
    else:
        return False
    shadow = rng.random() < .4
    panel.draw.rectangle((0, 0) + panel.image.size, tuple(v // 3 for v in ink) if shadow else ink)
    if shadow:
        offset = max(1, line.h // 25)
        line.put(panel, margin + offset, margin + offset, tuple(v // 3 for v in ink), True)
        panel.digits.clear()
    line.put(panel, margin, margin, ink, True)
    return True


def place(rng, scene, panel, centre, scale):
    """Draws the panel into `scene`; digits' boxes, or None if they would not all be inside."""
    w, h = panel.image.size
    target = quad(rng, w * scale, h * scale, centre)
    matrix = homography([(0, 0), (w, 0), (w, h), (0, h)], target)
    low = np.floor(target.min(0)).astype(int)
    high = np.ceil(target.max(0)).astype(int)
    box = (int(max(0, low[0])), int(max(0, low[1])), int(min(scene.size[0], high[0])),
           int(min(scene.size[1], high[1])))
    if box[2] - box[0] < 8 or box[3] - box[1] < 8:
        return None
    if hasattr(panel, "bare_line") and not colour_bare(rng, panel, scene, box):
        return None
    boxes = []
    for digit, points in panel.digits:
        spots = carry(matrix, points)
        (x0, y0), (x1, y1) = spots.min(0), spots.max(0)
        if x0 < 1 or y0 < 1 or x1 > scene.size[0] - 1 or y1 > scene.size[1] - 1:
            return None
        boxes.append((digit, float(x0), float(y0), float(x1 - x0), float(y1 - y0)))
    shift = np.array([[1, 0, box[0]], [0, 1, box[1]], [0, 0, 1]], float)
    inverse = np.linalg.inv(matrix) @ shift
    inverse /= inverse[2, 2]
    size = (box[2] - box[0], box[3] - box[1])
    coefficients = inverse.ravel()[:8].tolist()
    image = panel.image.transform(size, Image.PERSPECTIVE, coefficients, Image.BILINEAR)
    alpha = panel.alpha.transform(size, Image.PERSPECTIVE, coefficients, Image.BILINEAR)
    scene.paste(image, box[:2], alpha)
    return boxes, box


def advance(panel):
    """Least distance of neighbouring digits' centres, in panel pixels."""
    centres = np.array([points.mean(0) for _, points in panel.digits])
    if len(centres) < 2:
        return 1e9
    gaps = np.abs(centres[:, None] - centres[None]).max(2)
    return gaps[~np.eye(len(centres), dtype=bool)].min()


def add_panel(rng, scene, fonts, taken):
    """Tries to add one panel beside those that are there; its digits' boxes, or an empty list."""
    kind = rng.choice(list(WEIGHTS), p=list(WEIGHTS.values()))
    k = max(scene.size) / NET
    h = np.exp(rng.uniform(np.log(MIN_H), np.log(140))) * k
    drawn_h = int(1.5 * min(h, 60 * k)) + 1
    panel = KINDS[kind](rng, fonts, drawn_h)
    worn(rng, panel)
    for _ in range(6):
        w, tall = panel.image.size
        scale = h / drawn_h
        fit = min(1, .98 * scene.size[0] / (w * scale), .98 * scene.size[1] / (tall * scale))
        scale *= fit
        if scale * drawn_h < MIN_H * k or scale * advance(panel) < MIN_ADVANCE * k:
            return []
        half = np.array([w, tall]) * scale / 2
        room = np.maximum(half * .9, 1), np.array(scene.size) - np.maximum(half * .9, 1)
        centre = rng.uniform(np.minimum(*room), np.maximum(*room))
        spot = np.concatenate([centre - half, centre + half])
        if any(spot[0] < t[2] and t[0] < spot[2] and spot[1] < t[3] and t[1] < spot[3]
               for t in taken):
            h *= .8
            continue
        placed = place(rng, scene, panel, centre, scale)
        if placed:
            taken.append(placed[1])
            return placed[0]
        h *= .85
    return []


def light(rng, pixels):
    """Uneven light, a shadow's edge, a glare: multiplies and adds to float [h,w,3]."""
    h, w = pixels.shape[:2]
    if rng.random() < .6:
        field = .55 + .75 * smooth_noise(rng, w, h, 2)
        pixels *= (1 + rng.uniform(.2, 1) * (field - 1))[..., None]
    if rng.random() < .25:
        mask = Image.new("L", (w, h), 255)
        points = [(int(v[0]), int(v[1])) for v in rng.uniform(-.3, 1.3, (4, 2)) * (w, h)]
        ImageDraw.Draw(mask).polygon(points, int(255 * rng.uniform(.45, .8)))
        mask = mask.filter(ImageFilter.GaussianBlur(rng.uniform(.5, 8)))
        pixels *= np.asarray(mask, np.float32)[..., None] / 255
    if rng.random() < .12:
        x, y, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(.04, .2) * w
        rows, columns = np.ogrid[0:h, 0:w]
        blob = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * r * r)).astype(np.float32)
        pixels += blob[..., None] * rng.uniform(30, 120)


def lens(rng, image, least_h):
    """Out of focus or moved, never so much that the smallest digit is lost."""
    if rng.random() < .55:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, .055) * least_h))
    if rng.random() < .12:
        n, pixels = max(2, int(.12 * least_h)), np.asarray(image, np.float32)
        axis = int(rng.integers(2))
        image = Image.fromarray(np.mean([np.roll(pixels, i - n // 2, axis) for i in range(n)], 0)
                                .astype(np.uint8))
    return image


def sensor(rng, pixels):
    """Exposure, tint, contrast, greyscale and noise."""
    if rng.random() < .5:
        pixels *= rng.normal(1, .09, 3).astype(np.float32)
    if rng.random() < .5:
        mean = pixels.mean()
        pixels[:] = (pixels - mean) * rng.uniform(.65, 1.25) + mean * rng.uniform(.7, 1.25)
    if rng.random() < .25:
        pixels[:] = (pixels @ np.array([.3, .59, .11], np.float32))[..., None]
    elif rng.random() < .3:
        grey = pixels.mean(2, keepdims=True)
        pixels[:] = grey + (pixels - grey) * rng.uniform(.2, 1.4)
    if rng.random() < .7:
        pixels += rng.standard_normal(pixels.shape, np.float32) * rng.uniform(1, 14)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def make_scene(rng, fonts):
    w, h = SHAPES[rng.integers(len(SHAPES))]
    image = background(rng, w, h, fonts)
    boxes, taken = [], []
    wanted = 0 if rng.random() < .03 else int(rng.choice([1, 2, 3, 5], p=[.35, .3, .2, .15]))
    for _ in range(wanted * 3):
        if len(taken) >= wanted:
            break
        boxes += add_panel(rng, image, fonts, taken)
    least_h = min([b[4] for b in boxes], default=40)
    image = lens(rng, image, least_h)
    pixels = np.array(image, np.float32)
    light(rng, pixels)
    return sensor(rng, pixels), boxes


def as_jpeg(rng, image):
    """The bytes of a JPEG file at a quality by chance."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(45, 96)))
    return buffer.getvalue()
