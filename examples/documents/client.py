#!/usr/bin/env python3
"""Asks a verified server what kind of documents texts are, and whether they hold personal data.

    client.py URL POLICY FILE...          what each text is
    client.py URL POLICY --heldout TAR    how many of the held-out texts are answered right

Needs the package blind (pip install ./python).
"""
import sys
import tarfile

import blind


def ask(session, text):
    answer = session.infer("documents", {"text": text})
    return answer["kind"].item(), answer["probability"].item(), answer["personal"].item()


def held_out(session, path):
    right = found = 0
    with tarfile.open(path) as tar:
        rows = [line.split() for line in tar.extractfile("answers.txt").read().decode().splitlines()]
        for name, kind, is_personal in rows:
            answer = ask(session, tar.extractfile(name).read().decode())
            right += answer[0] == kind
            found += answer[2] == (is_personal == "true")
    print("held out: %d of %d right, %.1f %%" % (right, len(rows), 100 * right / len(rows)))
    print("personal or not: %d of %d right" % (found, len(rows)))


def main(url, policy, *files):
    with blind.connect(url, policy=policy, simulation=True) as session:  # verified, or an exception
        if files[0] == "--heldout":
            return held_out(session, files[1])
        for path in files:
            with open(path, encoding="utf-8") as file:
                kind, probability, personal = ask(session, file.read())
            print("%s: %s, probability %.2f%s" % (path, kind, probability, ", personal data" if personal else ""))


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
