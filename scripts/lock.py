"""Pin every package with its hashes: `lock.py` writes the lock files, `lock.py --check` compares.

torch and its CUDA family get a file of their own, so that `make install TORCH_INDEX=…` can leave
it out; the site is built in an environment of its own. Pins that still fit their `.in` file stay:
a new release changes nothing here.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
INPUTS = ["requirements.in", "requirements-dev.in", "requirements-docs.in"]
RUNTIME, TORCH, TOOLS, SITE = LOCKS = [
    "requirements.txt",
    "requirements-torch.txt",
    "requirements-dev.txt",
    "requirements-docs.txt",
]
TORCH_FAMILY = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
PACKAGE = re.compile(r"^\S(?:.*\\\n)*.*\n", re.MULTILINE)


def compile_lock(folder: Path, source: str, lock: str, *options: str) -> None:
    """Resolve `source` for every platform and Python 3.11 and up into `lock`."""
    command = [sys.executable, "-m", "uv", "pip", "compile", source, "--output-file", lock]
    command += ["--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--quiet", *options]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def lock_in(folder: Path) -> None:
    """Bring the lock files of `folder` in step with its `.in` files."""
    everything = folder / "everything.txt"
    everything.write_text("".join((folder / name).read_text() for name in (RUNTIME, TORCH)))
    compile_lock(folder, "requirements.in", everything.name)
    packages = PACKAGE.findall(everything.read_text())
    for lock, is_torch in ((RUNTIME, False), (TORCH, True)):
        chosen = [p for p in packages if bool(TORCH_FAMILY.match(p)) is is_torch]
        (folder / lock).write_text("".join(chosen))
    compile_lock(folder, "requirements-dev.in", TOOLS, "--constraint", RUNTIME)
    compile_lock(folder, "requirements-docs.in", SITE)


def main() -> None:
    """Write the lock files, or with `--check` fail if they would change."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in INPUTS + LOCKS:
            shutil.copy(ROOT / name, folder)
        lock_in(folder)
        changed = [n for n in LOCKS if (folder / n).read_text() != (ROOT / n).read_text()]
        if "--check" in sys.argv[1:]:
            if changed:
                raise SystemExit(f"out of step with the .in files: {changed}; run: make lock")
            return
        for name in changed:
            shutil.copyfile(folder / name, ROOT / name)


if __name__ == "__main__":
    main()
