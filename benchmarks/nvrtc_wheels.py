"""Gets only the NVRTC libraries, or one program, out of wheels of up to a gigabyte, through pip and
from the index that pip uses.

pip can read a wheel's table of contents and single members by HTTP range requests; where a server refuses them, the
wheel is downloaded whole. Each member is checked against the CRC-32 in the wheel's table of contents.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

from pip._internal.cli.cmdoptions import make_target_python
from pip._internal.cli.req_command import with_cleanup
from pip._internal.commands.download import DownloadCommand
from pip._internal.exceptions import CommandError
from pip._internal.network.lazy_wheel import HTTPRangeRequestUnsupported, LazyZipOverHTTP
from pip._vendor.packaging.requirements import Requirement

# The newest patch of every CUDA version whose NVRTC is on PyPI; the first four are inside PyTorch.
WHEELS = [
    "torch==1.1.0", "torch==1.2.0", "torch==1.4.0", "torch==1.12.1",
    "nvidia-cuda-nvrtc-cu11==11.7.99", "nvidia-cuda-nvrtc-cu11==11.8.89",
    "nvidia-cuda-nvrtc-cu12==12.0.140", "nvidia-cuda-nvrtc-cu12==12.1.105", "nvidia-cuda-nvrtc-cu12==12.2.140",
    "nvidia-cuda-nvrtc-cu12==12.3.107", "nvidia-cuda-nvrtc-cu12==12.4.127", "nvidia-cuda-nvrtc-cu12==12.5.82",
    "nvidia-cuda-nvrtc-cu12==12.6.85", "nvidia-cuda-nvrtc-cu12==12.8.93", "nvidia-cuda-nvrtc-cu12==12.9.86",
    "nvidia-cuda-nvrtc==13.0.88", "nvidia-cuda-nvrtc==13.1.115", "nvidia-cuda-nvrtc==13.2.86",
    "nvidia-cuda-nvrtc==13.3.33", "nvidia-cuda-nvrtc==13.4.92", "nvidia-cuda-nvrtc==13.5.37",
]
PTXAS = "nvidia-cuda-nvcc-cu11==11.8.89"  # the assembler of the newest CUDA that knows sm_35 to sm_90
TARGET = ["--only-binary=:all:", "--no-deps", "--implementation=cp", "--python-version=3.7"]
TARGET += ["--abi=cp37m", "--abi=none"]
TARGET += ["--platform=%s_x86_64" % tag for tag in ("manylinux_2_27", "manylinux_2_17", "manylinux2014")]
MEMBER = re.compile(r"(.*/)?(libnvrtc(?!.*\.alt\.)[^/]*\.so[^/]*|ptxas)$")
CHUNK = 1 << 16  # bytes; the table of contents of PyTorch's wheels is larger


def fetch(requirement, cache):
    """The folder below ``cache`` that holds NVRTC or ptxas of a pinned wheel; downloads what is missing."""
    folder = os.path.join(cache, requirement.replace("==", "-"))
    if not os.path.exists(os.path.join(folder, "members.json")):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        if Reader("reader", "reads members of a wheel").main(TARGET + ["-d", folder, requirement]) != 0:
            raise RuntimeError("pip could not read " + requirement)
    return folder


class Reader(DownloadCommand):
    """``pip download`` that keeps only the members wanted; indexes, proxies and certificates are pip's business."""

    @with_cleanup
    def run(self, options, args):
        session = self.get_default_session(options)
        finder = self._build_package_finder(options, session, make_target_python(options))
        wanted = Requirement(args[0])
        found = finder.find_best_candidate(wanted.name, wanted.specifier).best_candidate
        if found is None:
            raise CommandError("the package index has no Linux wheel of %s" % wanted)
        try:
            remote = LazyZipOverHTTP(found.link.url_without_fragment, session, CHUNK)
        except HTTPRangeRequestUnsupported:
            _extract_whole(args[0], options.download_dir)
        else:
            with remote:
                extract(remote, found.link.filename, options.download_dir)
        return 0


def _extract_whole(requirement, folder):
    with tempfile.TemporaryDirectory() as download:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "-d", download]
        subprocess.check_call(command + TARGET + [requirement])
        name, = os.listdir(download)
        with open(os.path.join(download, name), "rb") as wheel:
            extract(wheel, name, folder)


def extract(wheel, name, folder):
    """Writes the wanted members of an opened wheel to a folder; ``members.json`` says that all are there."""
    members = []
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            match = MEMBER.match(info.filename)
            if not match:
                continue
            wheel.seek(info.header_offset)
            wheel.read(min(info.compress_size + CHUNK, archive.start_dir - info.header_offset))  # in a single request
            path = os.path.join(folder, match.group(2))
            with archive.open(info) as source, open(path, "wb") as target:
                shutil.copyfileobj(source, target)  # zipfile compares the CRC-32 at the end
            os.chmod(path, 0o755)
            members.append({"member": info.filename, "bytes": info.file_size, "packed": info.compress_size,
                            "crc32": "%08x" % info.CRC})
    if not members:
        raise CommandError("neither NVRTC nor ptxas is in " + name)
    with open(os.path.join(folder, "members.json"), "w") as stream:
        json.dump({"wheel": name, "members": members}, stream, indent=2)
