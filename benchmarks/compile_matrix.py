"""Compiles Align1D with every NVRTC on the package index, for every architecture that each knows; needs no GPU.

    nox -s compile-matrix -- --markdown docs/compile-matrix.md

Both kernels in float32 for every architecture, in every scalar type for the oldest and the newest, and in every size
for the newest: PTX, and a cubin where the version makes any. Each version is loaded in a process of its own. PTX of
versions without cubins is given to ptxas, because NVRTC does not look into inline assembly. The exit code is 1 if
anything fails.
"""

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile
import time

from tad.ops.align1d_cuda import nvrtc, program

LEAST = 35  # the oldest architecture that is tried: Kepler
SIZE = {"forward": 2, "backward": 32}  # where not all of program.SIZES are tried


def main():
    arguments = parse()
    if arguments.worker:
        rows = compile_all(arguments.worker, arguments.ptxas, arguments.ptx_out)
        return print(json.dumps(rows))
    try:
        rows = matrix(arguments)
    except RuntimeError as error:
        return "compile_matrix.py: %s" % error
    print("\n" + table(rows))
    write(arguments.json, json.dumps(rows, indent=1) + "\n")
    failures = [line for row in rows for line in problems(row)]
    if arguments.ptx_out:
        kept = [dict(result, version=row["version"]) for row in rows for result in row["results"] if "file" in result]
        write(os.path.join(arguments.ptx_out, "index.json"), json.dumps(kept, indent=1) + "\n")
    if arguments.markdown and not failures:
        write(arguments.markdown, document(rows))
    print("\n" + ("\n".join(failures) or "%d of %d images compiled" % count(rows)))
    return 1 if failures else 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", default=os.path.join("build", "nvrtc"), help="keeps the libraries (%(default)s)")
    parser.add_argument("--wheel", action="append", help="only this wheel, for example torch==1.1.0; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="versions at the same time (%(default)s)")
    parser.add_argument("--json", default=os.path.join("build", "compile-matrix.json"), help="result (%(default)s)")
    parser.add_argument("--markdown", help="table for the documentation, written if all is well")
    parser.add_argument("--ptx-out", help="keeps the PTX in float32 in this folder, to be loaded on a GPU; index.json "
                        "there says how each was compiled")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--ptxas", help=argparse.SUPPRESS)
    return parser.parse_args()


def matrix(arguments):
    """A row for each wheel: downloads one after the other, compiles several at a time."""
    import nvrtc_wheels  # needs pip, which a worker does not
    arguments.ptxas = os.path.join(nvrtc_wheels.fetch(nvrtc_wheels.PTXAS, arguments.cache), "ptxas")
    rows = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        tasks = [pool.submit(run_worker, wheel, nvrtc_wheels.fetch(wheel, arguments.cache), arguments)
                 for wheel in arguments.wheel or nvrtc_wheels.WHEELS]
        for task in tasks:
            rows.append(task.result())
            print(summary(rows[-1]), flush=True)
    return rows


def run_worker(wheel, folder, arguments):
    """Compiles with one wheel's NVRTC; a row of the matrix, with an ``error`` if the process dies."""
    command = [sys.executable, os.path.abspath(__file__), "--worker", nvrtc.libraries(folder)[0]]
    command += ["--ptxas", arguments.ptxas]
    command += ["--ptx-out", arguments.ptx_out] if arguments.ptx_out else []
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    row = json.loads(done.stdout) if done.returncode == 0 else {
        "version": "?", "results": [], "error": "exit code %d: %s" % (done.returncode, done.stderr[-2000:])}
    return dict(row, wheel=wheel)


def compile_all(path, ptxas, ptx_out):
    """Everything that is planned, with the NVRTC at ``path``."""
    library = nvrtc.load(os.path.abspath(path))
    numbers = [number for number in library.architectures() if number >= LEAST]
    kinds = ("compute", "sm") if library.can_make_cubin else ("compute",)
    results = []
    for number, kernel, scalar, size in plan(numbers):
        for kind in kinds:
            image, result = compile_one(library, kernel, "%s_%d" % (kind, number), scalar, size)
            if image and not library.can_make_cubin:
                result.update(assemble(ptxas, image, number))
            if image and kind == "compute" and ptx_out and (scalar, size) == ("float32", SIZE[kernel]):
                result["file"] = "nvrtc%d.%d-compute_%d-%s.ptx" % (library.version + (number, kernel))
                write(os.path.join(ptx_out, result["file"]), image.decode("ascii"))
            results.append(result)
    return {"version": "%d.%d" % library.version, "library": os.path.basename(path), "results": results}


def plan(numbers):
    """What is compiled, as ``(architecture, kernel, scalar, size)``."""
    for number in numbers:
        for kernel in program.KERNELS:
            for scalar in program.SCALARS if number in (numbers[0], numbers[-1]) else ("float32",):
                yield number, kernel, scalar, SIZE[kernel]
            if number == numbers[-1]:
                for size in program.SIZES[kernel]:
                    if size != SIZE[kernel]:
                        yield number, kernel, "float32", size


def compile_one(library, kernel, target, scalar, size):
    begin, options = time.time(), program.compile_options(target, scalar, size)
    result = {"target": target, "kernel": kernel, "scalar": scalar, "size": size, "options": options}
    try:
        made = library.compile(program.source(kernel), kernel + ".cu", options)
    except nvrtc.NvrtcError as error:
        return None, dict(result, ok=False, log=str(error))
    image = made.ptx or made.cubin
    return image, dict(result, ok=True, log=made.log, seconds=round(time.time() - begin, 3), bytes=len(image))


def assemble(ptxas, image, number):
    """Turns PTX into machine code, which nothing else looks at."""
    with tempfile.TemporaryDirectory() as folder:
        ptx = os.path.join(folder, "align1d.ptx")
        write(ptx, image.rstrip(b"\0").decode("ascii"))
        done = subprocess.run([ptxas, "-arch=sm_%d" % number, ptx, "-o", os.path.join(folder, "cubin")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    if done.returncode != 0:
        return {"ok": False, "log": "ptxas: " + done.stdout}
    return {"assembled": True}


def problems(row):
    """What failed in a row, a line for each."""
    if not row["results"]:
        return ["%s: %s" % (row["wheel"], row.get("error", "it knows no architecture"))]
    return ["%s, %s, %s, %s, size %d: %s" % (row["wheel"], result["target"], result["kernel"], result["scalar"],
                                             result["size"], result["log"])
            for result in row["results"] if not result["ok"]]


def count(rows):
    """How many images compiled, and how many were tried."""
    results = [result for row in rows for result in row["results"]]
    return sum(result["ok"] for result in results), len(results)


def summary(row):
    return "NVRTC %-5s %-33s %d of %d compiled" % ((row["version"], row["wheel"]) + count([row]))


def table(rows):
    """Markdown: a row for each NVRTC, a column for each architecture."""
    numbers = sorted({int(result["target"].split("_")[1]) for row in rows for result in row["results"]})
    heads = ["NVRTC", "from"] + [str(number) for number in numbers] + ["seconds", "PTX, kB", "cubin, kB"]
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        kinds = [[each for each in row["results"] if each["target"].startswith(kind)] for kind in ("compute", "sm")]
        lines.append([row["version"], row["wheel"].replace("==", " ")]
                     + [cell([each for each in row["results"] if each["target"].endswith("_%d" % number)])
                        for number in numbers]
                     + [span([each.get("seconds") for each in row["results"]], 1, "%.2f")]
                     + [span([each.get("bytes") for each in kind], 1e3, "%.0f") for kind in kinds])
    return "\n".join("| %s |" % " | ".join(cells) for cells in lines)


def cell(results):
    """``P`` for PTX, ``A`` for assembled PTX, ``C`` for cubins, nothing for an unknown architecture."""
    if not all(result["ok"] for result in results):
        return "**failed**"
    kinds = {result["target"].split("_")[0] for result in results}
    assembled = any(result.get("assembled") for result in results)
    return ("P" if "compute" in kinds else "") + ("A" if assembled else "") + ("C" if "sm" in kinds else "")


def span(numbers, unit, form):
    """The least and the greatest, ``0.04 to 0.20``."""
    texts = [form % (number / unit) for number in sorted(number for number in numbers if number is not None)]
    return "" if not texts else texts[0] if texts[0] == texts[-1] else "%s to %s" % (texts[0], texts[-1])


def document(rows):
    return DOCUMENT % ((LEAST,) + count(rows) + (table(rows),))


DOCUMENT = """# Align1D compiles everywhere

`nox -s compile-matrix -- --markdown docs/compile-matrix.md` wrote this page, without a GPU: `forward.cu` and
`backward.cu` with the options that the package uses, through every NVRTC on the package index, for every architecture
from %d up that each version knows (`75` is `sm_75`). %d of %d images compiled.

- Every architecture: both kernels in float32.
- The oldest and the newest that a version knows: also in float64, float16 and bfloat16.
- The newest: also in every size (`program.SIZES`: channels of a lane).

What a cell says holds for all of these:

- P: PTX, which the driver translates to machine code when it is loaded.
- C: a cubin, machine code.
- A: NVRTC before 11.1 makes no cubin, so its PTX was assembled by the ptxas of CUDA 11.8.
- Seconds: least and most for one image, several versions being compiled at the same time.

%s

Versions 9.0 to 10.2 are the ones that PyTorch carries inside. They also accept 53, 62 and 72 (Tegra) as an option, but
only their builds for ARM can compile for these.
"""


def write(path, text):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)


if __name__ == "__main__":
    sys.exit(main())
