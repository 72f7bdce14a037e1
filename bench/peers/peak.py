"""Runs a command, and adds its processor time and most memory to the JSON of its last line.

Reads   nothing.
Writes  nothing; prints one line of JSON.
Example python peak.py deno run -q -P=activations bench/ours_match.ts --kernel
"""

import json
import resource
import subprocess
import sys


def main() -> None:
    done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.returncode)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {
        **json.loads(done.stdout.strip().splitlines()[-1]),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 4),
        "peak_mb": round(used.ru_maxrss * 1024 / 1e6, 1),
    }
    print(json.dumps(measured), flush=True)


if __name__ == "__main__":
    main()
