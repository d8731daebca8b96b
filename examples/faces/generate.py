#!/usr/bin/python3
"""Draws faces of people who do not exist: an identity, then pictures of it in other light, pose and mood.

    generate.py FOLDER [PEOPLE [SEED]]

writes four pictures of each of PEOPLE (default 6) as FOLDER/PERSON-K.png, to look at.  train.py imports it.
The faces are drawings; what tells them apart tells no people apart.  Needs Debian's python3-numpy and python3-pil.
"""
import io
import os
import sys

import numpy
from PIL import Image

SIDE = 80  # pixels
HAIR = [(0.08, 0.07, 0.07), (0.25, 0.15, 0.08), (0.45, 0.28, 0.12), (0.80, 0.62, 0.28), (0.60, 0.20, 0.06),
        (0.65, 0.65, 0.66)]
EYES = [(0.25, 0.15, 0.08), (0.20, 0.38, 0.55), (0.25, 0.42, 0.22), (0.38, 0.40, 0.42)]


def soft(x, edge):
    return numpy.clip(0.5 - x / edge, 0, 1)


def oval(x, y, cx, cy, rx, ry, edge=0.03, power=2.0):
    """1 inside, 0 outside."""
    away = (numpy.abs((x - cx) / rx) ** power + numpy.abs((y - cy) / ry) ** power) ** (1 / power)
    return soft((away - 1) * min(rx, ry), edge)


class Person:
    """What stays the same in every picture; lengths in units of half the picture."""

    def __init__(self, rng):
        skin = rng.uniform(0, 1)
        self.skin = numpy.array((0.96 - 0.55 * skin, 0.80 - 0.53 * skin, 0.69 - 0.50 * skin)) * rng.uniform(0.92, 1.08, 3)
        self.hair = numpy.array(HAIR[rng.integers(len(HAIR))]) * rng.uniform(0.8, 1.2, 3)
        self.eye = EYES[rng.integers(len(EYES))]
        self.face = rng.uniform(0.43, 0.63), rng.uniform(0.60, 0.78), rng.uniform(1.8, 2.8)
        self.hairline, self.hair_side = rng.uniform(-0.58, -0.24), rng.uniform(0.02, 0.18)
        self.hair_long = rng.uniform(-0.4, 0.8)
        self.eyes = rng.uniform(0.17, 0.29), rng.uniform(-0.16, 0.02), rng.uniform(0.065, 0.125), rng.uniform(0.4, 0.9)
        self.brow = rng.uniform(0.09, 0.18), rng.uniform(0.012, 0.06), rng.uniform(-0.40, 0.40)
        self.nose = rng.uniform(0.14, 0.30), rng.uniform(0.04, 0.13)
        self.mouth = rng.uniform(0.10, 0.25), rng.uniform(0.33, 0.48), rng.uniform(0.02, 0.075)
        self.lips = numpy.array((0.75, 0.35, 0.35)) * rng.uniform(0.6, 1.2, 3)
        self.glasses = rng.random() < 0.25
        self.beard = rng.uniform(0.35, 0.8) if rng.random() < 0.25 else 0.0
        self.mole = (rng.uniform(-0.35, 0.35), rng.uniform(0.05, 0.4)) if rng.random() < 0.35 else None


class Moment:
    """What differs from picture to picture."""

    def __init__(self, rng):
        self.yaw, self.pitch, self.roll = rng.normal(0, 0.04), rng.normal(0, 0.02), rng.normal(0, 0.05)
        self.scale, self.shift = rng.uniform(0.95, 1.05), rng.normal(0, 0.02, 2)
        self.smile, self.open, self.gaze = rng.uniform(-0.3, 0.8), rng.uniform(0.75, 1.05), rng.uniform(-0.02, 0.02)
        angle = rng.uniform(0, 2 * numpy.pi)
        self.light = numpy.array((numpy.cos(angle), numpy.sin(angle))) * rng.uniform(0, 0.3)
        self.bright, self.tint = rng.uniform(0.8, 1.12), rng.uniform(0.96, 1.04, 3)
        self.background = rng.uniform(0.15, 0.9, 3), rng.uniform(-0.2, 0.2, 2)
        self.noise = rng.uniform(0.005, 0.035)


def paint(canvas, mask, color):
    canvas += mask[..., None] * (numpy.asarray(color) - canvas)


def paint_eyes(canvas, p, m, x, y):
    apart, height, size, narrow = p.eyes
    length, thick, tilt = p.brow
    for side in (-1, 1):
        cx, cy = side * apart + m.yaw * 0.9, height + m.pitch
        lid = size * narrow * m.open
        inside = oval(x, y, cx, cy, size, lid)
        paint(canvas, inside, (0.95, 0.95, 0.93))
        paint(canvas, inside * oval(x, y, cx + m.gaze, cy, size * 0.48, size * 0.48), p.eye)
        paint(canvas, inside * oval(x, y, cx + m.gaze, cy, size * 0.22, size * 0.22), (0.03, 0.03, 0.03))
        line = cy - size * 1.15 - 0.02 + side * (x - cx) * tilt - 0.02 * m.smile
        paint(canvas, soft(numpy.abs(y - line) - thick, 0.03) * soft(numpy.abs(x - cx) - length, 0.04) * 0.9,
              numpy.array(p.hair) * 0.8)
        if p.glasses:
            away = numpy.abs(numpy.hypot((x - cx) / 1.25, y - cy) - 0.155)
            paint(canvas, soft(away - 0.012, 0.02), (0.08, 0.08, 0.10))
    if p.glasses:
        bridge = soft(numpy.abs(y - p.eyes[1] - m.pitch) - 0.012, 0.02) * soft(numpy.abs(x - m.yaw) - apart + 0.19, 0.02)
        paint(canvas, bridge, (0.08, 0.08, 0.10))


def paint_face(canvas, p, m, x, y):
    wide, tall, power = p.face
    inside = oval(x, y, 0, 0.04, wide, tall, 0.04, power)
    behind = oval(x, y, 0, -0.08, wide + p.hair_side, tall + 0.06) * soft(y - p.hair_long, 0.1)
    paint(canvas, soft(numpy.abs(x) - wide * 0.45, 0.05) * soft(0.5 - y, 0.1), p.skin * 0.8)  # the neck
    paint(canvas, behind, p.hair)
    shade = 1 + m.light[0] * x + m.light[1] * y - 0.25 * (x / wide) ** 2
    fringe = soft(y - p.hairline - 0.25 * x ** 2, 0.06)
    paint(canvas, inside * (1 - fringe), numpy.clip(p.skin * shade[..., None], 0, 1))
    paint(canvas, inside * fringe, p.hair)
    if p.beard:
        jaw = inside * soft(p.mouth[1] - 0.13 - y + 0.5 * numpy.abs(x) ** 2, 0.12)
        paint(canvas, jaw * p.beard, p.hair)
    length, width = p.nose
    tip = p.eyes[1] + length + m.pitch * 1.5
    paint(canvas, oval(x, y, m.yaw * 1.5 + 0.02, tip - length / 2, width * 0.5, length / 2, 0.06) * 0.25, p.skin * 0.7)
    for side in (-1, 1):
        paint(canvas, oval(x, y, m.yaw * 1.4 + side * width * 0.7, tip, width * 0.45, 0.022) * 0.7, p.skin * 0.5)
    mouth, at, thick = p.mouth
    bent = y - at - m.pitch + m.smile * 0.9 * ((x - m.yaw) ** 2 - 0.01)
    paint(canvas, oval(x - m.yaw, bent, 0, 0, mouth * (1 + 0.15 * m.smile), thick), p.lips * (0.5 + 0.5 * p.skin))
    paint(canvas, soft(numpy.abs(bent) - 0.006, 0.015) * soft(numpy.abs(x - m.yaw) - mouth * 0.9, 0.03), (0.2, 0.05, 0.05))
    if p.mole:
        paint(canvas, oval(x, y, p.mole[0] + m.yaw, p.mole[1] + m.pitch, 0.022, 0.022) * 0.8, p.skin * 0.35)


def render(person, rng):
    """A picture of this person at some moment."""
    m = Moment(rng)
    y, x = (numpy.mgrid[0:SIDE, 0:SIDE].astype("f4") + 0.5) / (SIDE / 2) - 1
    color, (across, down) = m.background
    canvas = numpy.ones((SIDE, SIDE, 3), "f4") * color + (across * x + down * y)[..., None]
    x, y = (x - m.shift[0]) / m.scale, (y - m.shift[1]) / m.scale
    x, y = x * numpy.cos(m.roll) + y * numpy.sin(m.roll), y * numpy.cos(m.roll) - x * numpy.sin(m.roll)
    paint_face(canvas, person, m, x, y)
    paint_eyes(canvas, person, m, x, y)
    canvas = canvas * m.bright * m.tint + m.noise * rng.normal(size=canvas.shape)
    return Image.fromarray((numpy.clip(canvas, 0, 1) * 255).astype("u1"))


def as_jpeg(picture, quality=85):
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    people, seed = (int(x) for x in sys.argv[2:] + ["6", "1"][len(sys.argv) - 2:])
    rng = numpy.random.default_rng(seed)
    os.makedirs(sys.argv[1], exist_ok=True)
    for i in range(people):
        person = Person(rng)
        for k in range(4):
            render(person, rng).save(os.path.join(sys.argv[1], "%02d-%d.png" % (i, k)))


if __name__ == "__main__":
    main()
