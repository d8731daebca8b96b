#!/usr/bin/env python3
"""Asks a verified server whose face pictures show.

    client.py URL POLICY FILE...          whose each is
    client.py URL POLICY --heldout TAR    how many of the held-out pictures are answered right

Needs the package blind (pip install ./python).
"""
import sys
import tarfile

import blind


def ask(session, picture):
    """picture: the bytes of a PNG or JPEG file."""
    answer = session.infer("faces", {"image": picture})
    return answer["name"].item(), answer["similarity"].item()


def held_out(session, path):
    with tarfile.open(path) as tar:
        rows = [line.split() for line in tar.extractfile("answers.txt").read().decode().splitlines()]
        right = sum(ask(session, tar.extractfile(name).read())[0] == label for name, label in rows)
    print("held out: %d of %d right, %.1f %%" % (right, len(rows), 100 * right / len(rows)))


def main(url, policy, *files):
    with blind.connect(url, policy=policy, simulation=True) as session:  # verified, or an exception
        if files[0] == "--heldout":
            return held_out(session, files[1])
        for path in files:
            with open(path, "rb") as file:
                print("%s: %s, similarity %.2f" % (path, *ask(session, file.read())))


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
