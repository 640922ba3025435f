#!/usr/bin/env python3
"""The first command on a new machine: finds a Python, makes .venv, installs pinned packages, starts what was asked for.

Standard library only, and only syntax that Python 3.6 reads, so that an old Python gets a sentence instead of a
traceback. Knows how to prepare; what runs afterwards lives in `services` and `tests`.
"""

import contextlib
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "palette-installed.json")
PIP_LOG = os.path.join(VENV, "palette-pip.log")
OLDEST, NEWEST = (3, 11), (3, 14)
PROBE = "import sysconfig, ensurepip, venv; print(sysconfig.get_config_var('SOABI'))"

USAGE = """usage: python3 bootstrap.py COMMAND [arguments]

  install    make .venv and fill the cache, so that a later start needs no network
  run        start everything and say where it is
  test       the whole suite; arguments go to pytest
  bench      the measurements
  check      lint, format, types, layering
  train      the model, from its corpus
  distil     the static vectors that the model reads, from MiniLM
  evaluate   the model's figures
  clean      remove .venv and the tools' caches; data and downloaded jars stay
"""


class CannotGoOn(Exception):
    """Carries one plain sentence: what is wrong and what to do."""


def main(arguments):
    if not arguments or arguments[0] not in COMMANDS:
        sys.stderr.write(USAGE)
        return 2
    try:
        os.chdir(ROOT)
        return COMMANDS[arguments[0]](arguments[1:])
    except CannotGoOn as refusal:
        sys.stderr.write(f"{refusal}\n")
    except OSError as error:
        sys.stderr.write(f"{os_error_sentence(error)}\n")
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return 130
    return 1


def install(_arguments):
    prepare("run")
    return fetch_kafka()


def fetch_kafka():
    """Fill the cache with Kafka's jars; answers the exit code."""
    return subprocess.call([VENV_PYTHON, "-m", "services.launcher", "fetch"])


def run(arguments):
    prepare("run")
    return become("-m", "services.launcher", *arguments)


def test(arguments):
    prepare("test")
    # before the first test: tests may not connect to anything but loopback
    failed = fetch_kafka()
    if failed:
        return failed
    # most of the suite waits for processes, so three at a time share two cores well; a file stays on one of them
    return become("-m", "pytest", "-n", "3", "--dist", "loadfile", *arguments)


def bench(arguments):
    prepare("test")
    failed = fetch_kafka()
    if failed:
        return failed
    return become("-m", "tests.bench", *arguments)


def check(_arguments):
    """Every check runs even when an earlier one fails, so that one call shows all there is to mend."""
    prepare("test")
    failed = []
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"]):
        say("== " + " ".join(command))
        if subprocess.call([os.path.join(VENV, "bin", command[0]), *command[1:]]) != 0:
            failed.append(" ".join(command))
    say_lines_per_service()
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def train(arguments):
    prepare("test")
    return become("-m", "services.classify.training.train", *arguments)


def distil(arguments):
    prepare("test")
    return become("-m", "services.classify.training.distil", *arguments)


def evaluate(arguments):
    prepare("test")
    return become("-m", "services.classify.training.evaluate", *arguments)


def clean(_arguments):
    folders = [VENV] + [os.path.join(ROOT, name) for name in (".pytest_cache", ".mypy_cache", ".ruff_cache")]
    folders += [os.path.join(ROOT, ".import_linter_cache"), os.path.join(ROOT, "build")]
    for top in ("services", "tests"):
        folders += glob.glob(os.path.join(glob.escape(ROOT), top, "**", "__pycache__"), recursive=True)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    say("Removed .venv and the tools' caches; your data and the downloaded jars were kept.")
    return 0


COMMANDS = {
    "install": install,
    "run": run,
    "test": test,
    "bench": bench,
    "check": check,
    "train": train,
    "distil": distil,
    "evaluate": evaluate,
    "clean": clean,
}


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def become(*arguments):
    """Replace this process, so that signals reach the real one and nothing stands between."""
    sys.stdout.flush()
    os.execv(VENV_PYTHON, [VENV_PYTHON, *arguments])  # noqa: S606 - no shell is wanted


def say_lines_per_service():
    say("== hand-written lines of Python, blank ones not counted")
    total = 0
    for folder in sorted(glob.glob(os.path.join(glob.escape(ROOT), "services", "*", ""))):
        lines = 0
        for path in glob.glob(os.path.join(glob.escape(folder), "**", "*.py"), recursive=True):
            with open(path, encoding="utf-8") as source:
                lines += sum(1 for line in source if line.strip())
        if lines:
            say(f"{lines:6}  {os.path.basename(os.path.dirname(folder))}")
        total += lines
    say(f"{total:6}  together")


def prepare(requirements):
    """Make .venv hold exactly what `requirements/<requirements>.txt` pins; does nothing when it does already."""
    if os.name != "posix":
        raise CannotGoOn("Palette runs on Linux and macOS; on Windows start it inside WSL.")
    with alone():
        if is_installed(requirements):
            return
        if not is_supported(version_of(VENV_PYTHON)):
            make_venv(*find_python())
        install_packages(requirements)


@contextlib.contextmanager
def alone():
    """Two bootstraps at once would install over each other: the second waits."""
    import fcntl

    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def is_installed(requirements):
    try:
        with open(STAMP, encoding="utf-8") as file:
            stamps = json.load(file)
    except (OSError, ValueError):
        return False
    if not os.path.exists(VENV_PYTHON):
        return False
    # The packages of `test` contain those of `run`.
    return any(stamps.get(name) == stamp(name) for name in {requirements, "test"})


def stamp(requirements):
    """Changes with the pins and with the interpreter behind .venv."""
    digest = hashlib.sha256()
    for path in (requirements_file(requirements), os.path.join(VENV, "pyvenv.cfg")):
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def requirements_file(requirements):
    return os.path.join(ROOT, "requirements", f"{requirements}.txt")


def find_python():
    """The first Python of a version that Palette supports, with what it takes to make a virtual environment."""
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    if is_supported(sys.version_info[:2]):
        names.insert(0, sys.executable)
    without_venv = musl = None
    for name in [*names, "python3", "python", sys.executable]:
        program = shutil.which(name)
        # A pyenv shim of a version that is not selected is there and fails: it is passed over like a missing one.
        version = version_of(program) if program else None
        if not is_supported(version):
            continue
        soabi = probe(program)
        if soabi is None:
            without_venv = without_venv or version
        elif "musl" in soabi:
            musl = True
        else:
            return program, version
    if musl or (without_venv and glob.glob("/lib/ld-musl-*")):
        raise CannotGoOn(
            "Palette's packages (Java among them) come as wheels for glibc only, and this system (Alpine?) uses musl: "
            "use Debian, Ubuntu, Fedora or another glibc system, or `docker compose up`."
        )
    if without_venv:
        version = "{}.{}".format(*without_venv)
        raise CannotGoOn(
            f"Python {version} is here without its venv module: install it (on Debian and Ubuntu: "
            f"sudo apt install python{version}-venv) and run this again."
        )
    raise CannotGoOn(
        "Palette needs Python 3.11, 3.12, 3.13 or 3.14, and this machine has none of them (this is "
        f"{sys.version_info[0]}.{sys.version_info[1]}): install one from python.org, your package manager or pyenv, "
        "and run this again."
    )


def is_supported(version):
    return version is not None and OLDEST <= version <= NEWEST


def version_of(program):
    """(major, minor), or None when the program does not run."""
    answer = output_of(program, "import sys; print(sys.version_info[0], sys.version_info[1])")
    try:
        major, minor = answer.split()
        return int(major), int(minor)
    except (AttributeError, ValueError):
        return None


def probe(program):
    """The interpreter's ABI tag, or None when it cannot make virtual environments."""
    answer = output_of(program, PROBE)
    return answer.strip() if answer else None


def output_of(program, code):
    try:
        return subprocess.check_output([program, "-c", code], stderr=subprocess.DEVNULL, timeout=30).decode()
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None


def make_venv(python, version):
    say("Making .venv with Python {}.{} …".format(*version))
    making = [python, "-m", "venv", "--clear", VENV]
    made = subprocess.Popen(making, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = made.communicate()[0].decode("utf-8", "replace").strip()
    if made.returncode != 0:
        last = said.splitlines()[-1] if said else "no reason given"
        raise CannotGoOn(why_failed(said) or f".venv could not be made in {ROOT}: {last}")


def install_packages(requirements):
    file = requirements_file(requirements)
    with open(file, encoding="utf-8") as lines:
        total = sum(1 for line in lines if "==" in line and not line.lstrip().startswith("#"))
    if subprocess.call([VENV_PYTHON, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        subprocess.check_call([VENV_PYTHON, "-m", "ensurepip", "--upgrade"], stdout=subprocess.DEVNULL)
    began = time.time()
    pip = [VENV_PYTHON, "-m", "pip", "install", "--require-hashes", "--no-deps", "-r", file]
    pip += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--retries", "3"]
    with open(PIP_LOG, "wb") as log, subprocess.Popen(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        said = follow_pip(running.stdout, log, Progress("Fetching packages", total))
    if running.returncode != 0:
        raise CannotGoOn(why_failed(said) or f"pip could not install {file}; {PIP_LOG} says why.")
    remember(requirements)
    say(f"Packages are in place ({time.time() - began:.0f} s).")


def follow_pip(lines, log, progress):
    """Copy pip's words to its log, show how far it is, answer the last of them."""
    last, done = [], 0
    for raw in lines:
        log.write(raw)
        line = raw.decode("utf-8", "replace")
        last = [*last[-40:], line]
        if line.startswith(("Collecting ", "Requirement already satisfied")):
            done += 1
            progress.at(done)
        elif line.startswith("Installing collected"):
            progress.end()
            say("Unpacking them …")
    progress.end()
    return "".join(last)


class Progress:
    """A bar on a terminal, else a line at each fifth."""

    def __init__(self, label, total):
        self.label, self.total, self.fifth, self.is_open = label, max(total, 1), -1, False

    def at(self, done):
        done = min(done, self.total)
        if sys.stdout.isatty():
            filled = 30 * done // self.total
            sys.stdout.write(f"\r{self.label} [{'#' * filled:.<30}] {done}/{self.total}")
            sys.stdout.flush()
            self.is_open = True
        elif done * 5 // self.total != self.fifth:
            self.fifth = done * 5 // self.total
            say(f"{self.label} {done}/{self.total}")

    def end(self):
        if self.is_open:
            sys.stdout.write("\n")
            self.is_open = False


def remember(requirements):
    try:
        with open(STAMP, encoding="utf-8") as file:
            stamps = json.load(file)
    except (OSError, ValueError):
        stamps = {}
    # Only one set of pins can be true of .venv at a time.
    stamps = {name: value for name, value in stamps.items() if requirements == "test" and name == "run"}
    stamps[requirements] = stamp(requirements)
    with open(STAMP, "w", encoding="utf-8") as file:
        json.dump(stamps, file)


def why_failed(said):
    """A sentence for the failures that a person can mend, else None."""
    if "No space left on device" in said:
        return f"The disk of {ROOT} is full: free about 1.5 GB and run this again."
    if "DO NOT MATCH THE HASHES" in said:
        return (
            f"A downloaded package is not the one that {os.path.join(ROOT, 'requirements')} pins: a proxy or mirror "
            "changed it; try another network or package index."
        )
    if "No matching distribution found" in said and "Retrying" not in said:
        return f"A package has no version for this machine ({os.uname().machine}); {PIP_LOG} says which one."
    if "SSLError" in said or "CERTIFICATE_VERIFY_FAILED" in said:
        return (
            "The package index shows a certificate that is not trusted: behind a proxy that opens TLS, "
            "set PIP_CERT and REQUESTS_CA_BUNDLE to its certificate file and run this again."
        )
    if any(word in said for word in ("onnection", "ProxyError", "resolve", "timed out", "Network is unreachable")):
        return (
            "The Python packages could not be downloaded: connect to the network (HTTPS_PROXY and PIP_INDEX_URL are "
            f"honoured) and run this again; {PIP_LOG} has pip's own words."
        )
    return None


def os_error_sentence(error):
    what = error.filename or ROOT
    return f"{what} cannot be used ({error.strerror}): make room or correct its rights, and run this again."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
