"""npm's `openai` through the local proxy."""

import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = pathlib.Path(os.environ.get("OPENAI_PACKAGES", HERE.parents[1] / "build/openai"))


@pytest.mark.skipif(not shutil.which("node") or not (PACKAGES / "node_modules/openai").exists(),
                    reason="skipped: no package openai of npm")
def test_the_client_of_npm(proxy):
    done = subprocess.run(["node", str(HERE / "client.mjs"), proxy, str(PACKAGES)], stdout=subprocess.PIPE, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("ok  ") == 8
