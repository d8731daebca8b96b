#!/usr/bin/python3
"""Speaks digits and commands with espeak-ng: WAV files, 8,000 samples a second, 16 bits.

    generate.py FOLDER [COUNT [SEED]]

writes COUNT utterances (default 12) as FOLDER/NNN.wav with their words in FOLDER/answers.txt.  train.py imports it.
The voices are a synthesiser's, not people's.  Needs Debian's espeak-ng and python3-numpy.
"""
import io
import os
import subprocess
import sys
import wave

import numpy

RATE = 8000
WORDS = ("zero one two three four five six seven eight nine yes no stop go left right up down open close").split()
# Accents and manners of espeak-ng.  Those of HELD_OUT are never trained on.
TRAIN_VOICES = [a + b for a in ("en-gb", "en-us", "en-gb-scotland", "en-029", "en-gb-x-gbclan")
                for b in ("", "+m1", "+m2", "+m4", "+m5", "+m7", "+f1", "+f2", "+f3", "+f5")]
HELD_OUT_VOICES = [a + b for a in ("en-gb", "en-us", "en-gb-x-rp", "en-gb-x-gbcwmd") for b in ("+m3", "+m6", "+f4")]


def speak(text, voice, speed, pitch):
    """Samples from -1 to 1 at RATE."""
    raw = subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text],
                         check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    at = raw.index(b"data") + 8
    rate = int.from_bytes(raw[24:28], "little")
    return resample(numpy.frombuffer(raw[at:len(raw) - (len(raw) - at) % 2], "<i2") / 32768, rate)


def resample(x, rate):
    """To RATE, by leaving out what RATE cannot carry."""
    size = int(len(x) * RATE / rate)
    spectrum = numpy.fft.rfft(x)[:size // 2 + 1]
    return numpy.fft.irfft(spectrum, size) * size / len(x)


def noise(rng, size):
    """White to pink: equal power in every octave."""
    spectrum = numpy.fft.rfft(rng.normal(size=size))
    spectrum /= (1 + numpy.arange(len(spectrum))) ** rng.uniform(0, 0.5)
    x = numpy.fft.irfft(spectrum, size)
    return x / (x.std() + 1e-9)


def utter(rng, voices, words=None):
    """(words, samples): one to five words in a room that is not quite silent."""
    words = words or [WORDS[i] for i in rng.integers(len(WORDS), size=rng.integers(1, 6))]
    x = speak(" ".join(words), voices[rng.integers(len(voices))], int(rng.integers(120, 200)), int(rng.integers(25, 76)))
    return " ".join(words), x


def record(rng, x):
    """The same as a microphone might hear it: louder or softer, later, with noise 12 to 35 dB below."""
    x = numpy.concatenate([numpy.zeros(rng.integers(200, 1600)), x, numpy.zeros(rng.integers(200, 1600))])
    power = numpy.sqrt((x ** 2).mean()) + 1e-9
    x = x + noise(rng, len(x)) * power * 10 ** (-rng.uniform(12, 35) / 20)
    x = x * rng.uniform(0.2, 0.9) / numpy.abs(x).max()
    return x.astype("f4")


def as_wav(x, bits=16):
    """A WAV file of 8 bits, which are counted from 0, or 16."""
    x = numpy.clip(x, -1, 1)
    raw = (x * 32767).astype("<i2") if bits == 16 else (x * 127 + 128.5).astype("u1")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(bits // 8)
        file.setframerate(RATE)
        file.writeframes(raw.tobytes())
    return out.getvalue()


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    count, seed = (int(x) for x in sys.argv[2:] + ["12", "1"][len(sys.argv) - 2:])
    rng = numpy.random.default_rng(seed)
    os.makedirs(sys.argv[1], exist_ok=True)
    with open(os.path.join(sys.argv[1], "answers.txt"), "w") as answers:
        for i in range(count):
            words, x = utter(rng, TRAIN_VOICES)
            with open(os.path.join(sys.argv[1], "%03d.wav" % i), "wb") as file:
                file.write(as_wav(record(rng, x)))
            answers.write("%03d.wav %s\n" % (i, words))


if __name__ == "__main__":
    main()
