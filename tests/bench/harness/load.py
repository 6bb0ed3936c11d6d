"""The load generator, `tests/bench/generator`."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
#: What ships is built with `dist`; `SHOPNODE_BENCH_PROFILE=release` saves its longer build while something is tried out.
PROFILE = os.environ.get("SHOPNODE_BENCH_PROFILE", "dist")
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / PROFILE


#: What rows may need besides the binary that ships and the generator: built apart, so that nothing of theirs gets into it.
FURTHER = {"commits": ["-p", "shopnode-commits"], "cost": ["-p", "shop", "--example", "cost"]}


def build(further=()):
    """The binary that ships, the generator, and what rows need besides."""
    command = ["cargo", "build", "--profile", PROFILE, "--locked"]
    for what in (["--bin", "shopnode"], ["-p", "shopnode-tests", "--bin", "shopnode-load"],
                 *(FURTHER[name] for name in sorted(further))):
        subprocess.run([*command, *what], cwd=ROOT, check=True)


def _arguments(command, options):
    for name, value in options.items():
        if value is True:
            command.append(f"--{name}")
        elif value is not None and value is not False:
            command += [f"--{name}", str(value)]
    return command


def start(kind, seconds=None, **options):
    """As [`run`], without waiting: for those who do something to the servers meanwhile."""
    names = {name.replace("_", "-"): value for name, value in options.items()}
    command = _arguments([str(TARGET / "shopnode-load"), kind], {**names, "seconds": seconds})
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, within):
    try:
        out, err = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    if process.returncode:
        raise RuntimeError(f"the load generator: {err[-2000:]}")
    return json.loads(out)


def run(kind, seconds=None, **options):
    """Puts the load on and returns what the generator told."""
    return finish(start(kind, seconds, **options), within=(seconds or 1800) + 120)
