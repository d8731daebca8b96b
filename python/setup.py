"""Builds libblind (with CMake, from the repository this folder is part of) and the extension over it.

BLIND_PREFIX=DIR takes an installed libblind instead.
"""

import os
import pathlib
import re
import shutil
import subprocess

from setuptools import setup
from setuptools.command.build_ext import build_ext

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def version():
    header = ROOT / "include/blind/version.h"
    if os.environ.get("BLIND_PREFIX"):
        header = pathlib.Path(os.environ["BLIND_PREFIX"], "include/blind/version.h")
    return re.search(r'#define BLIND_VERSION\s+"([^"]+)"', header.read_text()).group(1)


class Build(build_ext):
    """build_ext that first makes libblind.a."""

    def build_extension(self, ext):
        prefix = os.environ.get("BLIND_PREFIX")
        if prefix:
            ext.include_dirs.append(str(pathlib.Path(prefix, "include")))
            ext.extra_objects.append(str(next(pathlib.Path(prefix).glob("lib*/**/libblind.a"))))
        else:
            generator = "Ninja" if shutil.which("ninja") else "Unix Makefiles"
            folder = pathlib.Path(self.build_temp).resolve() / ("libblind-" + generator.split()[0].lower())
            subprocess.run(["cmake", "-G", generator, "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DBLIND_SERVER=OFF",
                            "-DBLIND_TESTS=OFF"], check=True)
            subprocess.run(["cmake", "--build", folder, "--target", "blind_static", "--parallel"], check=True)
            ext.include_dirs.append(str(ROOT / "include"))
            ext.extra_objects.append(str(folder / "libblind.a"))
        ext.libraries += ["ssl", "crypto", "jansson"]
        super().build_extension(ext)


setup(version=version(), cffi_modules=["build_blind.py:ffibuilder"], cmdclass={"build_ext": Build})
