#!/usr/bin/python3
"""Runs every fuzz target for a while: fuzz.py <folder of the build> <seconds> <seed>. The last line is "N passed, N failed"."""
import concurrent.futures
import glob
import os
import subprocess
import sys

CHECKS = os.path.dirname(os.path.realpath(__file__))
CORPUS = os.path.join(os.path.dirname(os.path.dirname(CHECKS)), "tests/fuzz/corpus")


def run(program, seconds, seed):
    """What a target said when it found something, or None. New inputs stay in the build, beside the target."""
    name = os.path.basename(program)
    found, corpus = f"{os.path.dirname(program)}/found/{name}", f"{CORPUS}/{name}"
    os.makedirs(found, exist_ok=True)
    command = [f"{CHECKS}/steady", program, f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10", "-rss_limit_mb=2048",
               f"-artifact_prefix={found}-", "-print_final_stats=1", found, *([corpus] if os.path.isdir(corpus) else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    return None if done.returncode == 0 else "\n".join(done.stdout.splitlines()[-60:])


def main():
    folder, seconds, seed = sys.argv[1:]
    programs = [path for path in sorted(glob.glob(f"{glob.escape(folder)}/fuzz_*")) if os.path.isfile(path) and os.access(path, os.X_OK)]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, said in zip(programs, pool.map(lambda program: run(program, seconds, seed), programs)):
            if said is not None:
                failed += 1
                print(f"{said}\nFAIL {os.path.basename(program)}", flush=True)
    print(f"{len(programs) - failed} passed, {failed} failed")
    return 1 if failed or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
