"""A driver's job: what it was asked to do (JSON in argv[1]), and the result that it leaves beside it."""
import json
import os
import pathlib
import sys
import time
from importlib.metadata import version

import numpy


class Job:
    """`model`, `out` (folders), `scheme`, `threads`, ... as attributes."""

    def __init__(self):
        self.path = pathlib.Path(sys.argv[1])
        vars(self).update(json.loads(self.path.read_text()))

    def windows(self):
        """Token ids [samples, context]."""
        return numpy.fromfile(self.ids, "<i4").reshape(self.samples, self.context)

    def finish(self, bits, clock, packages, **more):
        """bits: bits a weight of the linears of the blocks, counted from what the format stores."""
        versions = {name: version(name) for name in packages}
        result = {"bits": bits, "seconds": clock.seconds, "processor_seconds": clock.processor_seconds,
                  "versions": versions, **more}
        self.path.with_suffix(".result").write_text(json.dumps(result))


class Clock:
    """Wall and processor seconds of a `with` block; processor seconds hardly depend on what else runs."""

    def __enter__(self):
        self.began, self.used = time.perf_counter(), sum(os.times()[:4])
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.began
        self.processor_seconds = sum(os.times()[:4]) - self.used
