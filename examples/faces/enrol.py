#!/usr/bin/env python3
"""Enrols people: pictures go to a verified server, the directions of its embeddings come back.

    enrol.py URL POLICY FOLDER [TAR...]

FOLDER has the names.txt and enrolled.npy to add to, if there are any; a TAR has pictures as NAME/FILE.  The mean of a
person's embeddings, of length 1, becomes a row of enrolled.npy and the name a line of names.txt.  The two files are part of
the pipeline: packed again it has another digest, and policies must name that one.  Needs the package blind.
"""
import os
import sys
import tarfile

import blind
import numpy


def embed(session, tars):
    """{name: its pictures' embeddings}"""
    found = {}
    for path in tars:
        with tarfile.open(path) as tar:
            for member in tar.getmembers():
                picture = tar.extractfile(member).read()
                found.setdefault(os.path.dirname(member.name), []).append(
                    session.infer("faces", {"image": picture})["embedding"][0])
    return found


def main(url, policy, folder, *tars):
    names, rows, path = [], [], os.path.join(folder, "names.txt")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            names = file.read().splitlines()
        rows = list(numpy.load(os.path.join(folder, "enrolled.npy")))
    with blind.connect(url, policy=policy, simulation=True) as session:  # verified, or an exception
        for name, embeddings in embed(session, tars).items():
            mean = numpy.mean(embeddings, axis=0)
            names.append(name)
            rows.append(mean / numpy.linalg.norm(mean))
            print("enrolled %s from %d pictures" % (name, len(embeddings)))
    numpy.save(os.path.join(folder, "enrolled.npy"), numpy.array(rows, "f4"))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(names) + "\n")


try:
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
except blind.BlindError as error:
    print("%s: %s" % (type(error).__name__, error), file=sys.stderr)
    sys.exit(error.exit_status)
