"""Times one part of a script, and prints what was measured as the script's last line.

Reads   nothing, but for /proc/self/status.
Writes  nothing; prints one line of JSON.
Example product, seconds = timed(lambda: a @ b)
        report("scipy", seconds, ["scipy"], tokens=640000)
"""

import json
import resource
import time
from importlib.metadata import version
from pathlib import Path
from typing import Callable, TypeVar

T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, dict]:
    """What `work` gives, and the seconds it took: on the clock, and of all cores together."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, {
        "seconds": round(time.perf_counter() - wall, 4),
        "cpu_seconds": round(time.process_time() - cpu, 4),
    }


def peak_mb() -> float:
    """The most memory that this process has held, in units of 10^6 bytes.

    Linux hands getrusage's peak on from the process that started this one, so a small script begun
    by a large one would report the large one's; the kernel's own mark (VmHWM) begins anew.
    """
    status = Path("/proc/self/status")
    if status.exists():
        mark = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(mark.split()[1]) * 1024 / 1e6, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)  # bytes, on a Mac


def report(name: str, seconds: dict, packages: list[str], **facts) -> None:
    """Prints the line."""
    versions = {package: version(package) for package in packages}
    line = {"name": name, **seconds, "peak_mb": peak_mb(), **facts, "versions": versions}
    print(json.dumps(line), flush=True)
