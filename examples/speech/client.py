#!/usr/bin/env python3
"""Asks a verified server what is said in WAV files.

    client.py URL POLICY FILE...          what is said in each
    client.py URL POLICY --heldout TAR    how many of the words in the held-out files are heard right

Needs the package blind (pip install ./python).
"""
import sys
import tarfile

import blind


def ask(session, audio):
    """audio: the bytes of a WAV file."""
    return session.infer("speech", {"audio": audio})["words"].item()


def edits(a, b):
    """Words inserted, left out and replaced: Levenshtein's distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def held_out(session, path):
    total = wrong = 0
    with tarfile.open(path) as tar:
        for line in tar.extractfile("answers.txt").read().decode().splitlines():
            name, *words = line.split()
            total += len(words)
            wrong += edits(words, ask(session, tar.extractfile(name).read()).split())
    print("held out: %d of %d words right, %.1f %%" % (total - wrong, total, 100 * (total - wrong) / total))


def main(url, policy, *files):
    with blind.connect(url, policy=policy, simulation=True) as session:  # verified, or an exception
        if files[0] == "--heldout":
            return held_out(session, files[1])
        for path in files:
            with open(path, "rb") as file:
                print("%s: %s" % (path, ask(session, file.read())))


try:
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
except blind.InvalidEnclaveCode as error:  # another program or another model: nothing was sent
    print("InvalidEnclaveCode: %s" % error, file=sys.stderr)
    sys.exit(11)
except blind.BlindError as error:
    print("%s: %s" % (type(error).__name__, error), file=sys.stderr)
    sys.exit(error.exit_status)
