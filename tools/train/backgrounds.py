"""What lies behind the digits: walls, planks, tiles, metal, clutter. All of it computed.

Images are RGB; `rng` is a numpy generator and the only source of chance.
"""
import numpy as np
from PIL import Image, ImageDraw

from fonts import glyph

# Letters that nobody takes for digits.
LETTERS = "ACEFHJKLMNPRTUVWXY"


def colour(rng, low=0, high=255):
    return tuple(int(v) for v in rng.integers(low, high + 1, 3))


def near(rng, rgb, spread):
    return tuple(int(np.clip(v + rng.normal(0, spread), 0, 255)) for v in rgb)


def muted(rng):
    """A colour as walls have them: seldom loud."""
    grey = rng.integers(25, 235)
    return near(rng, (grey, grey, grey), rng.choice([8, 20, 45]))


def smooth_noise(rng, w, h, cells):
    """[h,w] in 0..1, smooth over 1/cells of the width."""
    rows = max(2, int(cells * h / w))
    grid = rng.random((rows, max(2, cells)), dtype=np.float32) * 255
    image = Image.fromarray(grid.astype(np.uint8)).resize((w, h), Image.BICUBIC)
    return np.asarray(image, dtype=np.float32) / 255


def cloudy(rng, w, h):
    """Made at a third of the size: nobody sees the difference and it takes a ninth of the time."""
    size, w, h = (w, h), w // 3 + 2, h // 3 + 2
    field = sum(smooth_noise(rng, w, h, c) * a
                for c, a in ((3, .5), (9, .3), (30, .2), (90, .15)) if rng.random() < .8)
    if np.isscalar(field):
        field = smooth_noise(rng, w, h, 4)
    field = (field - field.min()) / max(1e-3, float(np.ptp(field)))
    a, b = np.array(muted(rng), np.float32), np.array(muted(rng), np.float32)
    small = Image.fromarray((a + (b - a) * field[..., None]).astype(np.uint8))
    return small.resize(size, Image.BILINEAR)


def bricks(rng, w, h):
    base, joint = muted(rng), muted(rng)
    image = Image.new("RGB", (w, h), joint)
    draw = ImageDraw.Draw(image)
    brick_w = int(rng.integers(w // 14, w // 4))
    brick_h = max(8, int(brick_w * rng.uniform(.3, 1)))
    gap = max(1, brick_w // int(rng.integers(10, 30)))
    shift = rng.choice([0, .5])
    for row in range(-1, h // brick_h + 2):
        for column in range(-1, w // brick_w + 2):
            x = int((column + shift * (row % 2)) * brick_w)
            y = row * brick_h
            draw.rectangle((x, y, x + brick_w - gap, y + brick_h - gap), near(rng, base, 12))
    return image


def planks(rng, w, h):
    base = muted(rng)
    image = Image.new("RGB", (w, h), base)
    draw = ImageDraw.Draw(image)
    n = int(rng.integers(2, 14))
    for i in range(n):
        x0, x1 = w * i // n, w * (i + 1) // n
        tone = near(rng, base, 14)
        draw.rectangle((x0, 0, x1, h), tone)
        for _ in range(int(rng.integers(0, 12))):
            x = int(rng.integers(x0, max(x0 + 1, x1)))
            draw.line((x, 0, x + int(rng.integers(-4, 5)), h), near(rng, tone, 12))
        draw.line((x0, 0, x0, h), near(rng, tuple(v // 2 for v in base), 8))
    return image if rng.random() < .5 else image.transpose(Image.ROTATE_90).resize((w, h))


def waves(rng, w, h):
    angle, length = rng.uniform(0, np.pi), rng.uniform(6, 60)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    field = .5 + .5 * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length)
    a = np.array(muted(rng), np.float32)
    b = np.clip(a + rng.normal(0, 40, 3), 0, 255)
    return Image.fromarray((a + (b - a) * field[..., None]).astype(np.uint8))


def plain(rng, w, h):
    return Image.new("RGB", (w, h), muted(rng))


def word(rng, draw, fonts, x, y, size, fill):
    font = fonts.any(rng)
    for char in rng.choice(list(LETTERS + LETTERS.lower().replace("l", "")), rng.integers(1, 9)):
        ink = glyph(char, font, size)
        if ink:
            draw.bitmap((x, y + ink[1]), ink[0], fill=fill)
            x += ink[0].size[0] + max(1, size // 10)


def clutter(rng, image, fonts, n):
    """Shapes and words on `image`. No rings and no single strokes that read as digits."""
    w, h = image.size
    draw = ImageDraw.Draw(image)
    for _ in range(n):
        x, y = int(rng.integers(-w // 10, w)), int(rng.integers(-h // 10, h))
        rw, rh = (int(v) for v in np.exp(rng.uniform(np.log(8), np.log(w / 2), 2)))
        fill, edge = colour(rng), colour(rng)
        kind = rng.integers(6)
        if kind == 0:
            draw.rectangle((x, y, x + rw, y + rh), fill, edge, int(rng.integers(0, 5)))
        elif kind == 1:
            draw.ellipse((x, y, x + rw, y + rh), fill)
        elif kind == 2:
            points = [(x + int(rng.normal(0, rw)), y + int(rng.normal(0, rh))) for _ in range(4)]
            draw.polygon(points, fill)
        elif kind == 3:
            ends = (x, y, int(rng.integers(w)), int(rng.integers(h)))
            draw.line(ends, fill, int(rng.integers(1, 9)))
        elif kind == 4:
            for i in range(int(rng.integers(3, 12))):
                step = max(2, rh // 8)
                draw.line((x, y + i * step, x + rw, y + i * step), fill, max(1, step // 3))
        else:
            word(rng, draw, fonts, x, y, int(rng.integers(10, 48)), fill)


def background(rng, w, h, fonts):
    make = (cloudy, bricks, planks, waves, plain)[rng.choice(5, p=[.35, .2, .15, .1, .2])]
    image = make(rng, w, h)
    if rng.random() < .7:
        clutter(rng, image, fonts, int(rng.integers(1, 16)))
    return image
