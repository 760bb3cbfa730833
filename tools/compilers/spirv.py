#!/usr/bin/env python3
"""Validates SPIR-V with spirv-val, for the Vulkan that takes its version; check.py runs it.

Takes lines of a path, a tab and an entry point, as compile.c does, and answers as it does.
"""

import resource
import struct
import subprocess
import sys


def seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# The oldest Vulkan that takes a version of SPIR-V.
TARGETS = {0x00010300: "vulkan1.1", 0x00010600: "vulkan1.3"}

for line in sys.stdin:
    path = line.rstrip("\n").split("\t")[0]
    print("begin", flush=True)
    start = seconds()
    try:
        with open(path, "rb") as file:
            _, version = struct.unpack("<II", file.read(8))
        command = ["spirv-val", "--target-env", TARGETS[version], path]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        outcome, message = "ok" if run.returncode == 0 else "fail", run.stdout
    except (OSError, struct.error) as problem:
        outcome, message = "fail", f"cannot be read: {problem}"
    except KeyError as problem:
        outcome, message = "fail", f"has version {problem} of SPIR-V"
    message = " | ".join(message.replace("\t", " ").splitlines())
    print(f"end\t{seconds() - start:.3f}\t{outcome}\t{message}", flush=True)
