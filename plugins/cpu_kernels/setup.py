"""Build the compiled kernels, where there is a C++ compiler; pyproject.toml has everything else."""

import os
import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

#: What the object was compiled from, which it tells (`library.py`).
_SOURCES = runpy.run_path("src/cenote_cpu_kernels/sources.py")["fingerprint"](Path("native"))
#: Instruction sets are chosen in the sources, file by file, so that one object runs on every x86-64 machine.
_OPTIONS = ["-std=c++17", "-O3", "-fopenmp", "-fno-math-errno", "-fvisibility=hidden", "-Wall"]


class BuildTogether(build_ext):
    """Compiles as many sources at a time as there are processors."""

    def build_extension(self, ext):
        """Build an extension as ever, but for the compiler's turns."""
        one_by_one = self.compiler.compile

        def together(sources, **options):
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                objects = pool.map(lambda source: one_by_one([source], **options), sources)
                return [each for found in objects for each in found]

        self.compiler.compile = together
        try:
            super().build_extension(ext)
        finally:
            self.compiler.compile = one_by_one


setup(
    cmdclass={"build_ext": BuildTogether},
    ext_modules=[
        Extension(
            "cenote_cpu_kernels._native",
            sources=sorted(str(path) for path in Path("native").glob("*.cpp")),
            depends=sorted(str(path) for path in Path("native").glob("*.h")),
            define_macros=[("CENOTE_SOURCES", f"{_SOURCES}u")],
            extra_compile_args=_OPTIONS,
            extra_link_args=["-fopenmp"],
            language="c++",
            optional=True,  # without a compiler the distribution installs, and its kernels say what is missing
        )
    ],
)
