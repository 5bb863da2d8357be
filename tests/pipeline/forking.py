"""`assay`, `dvc` and their stages as forks of one process that has imported the libraries they use.

Each command is a process of its own and runs the sources of its own project. Only the imports of third-party
libraries are shared: the eight stages of a pipeline cost 7 CPU-seconds in place of 30. A caller that is killed takes
its fork along. A command with environment variables of its own, which libraries may read while they are imported,
starts the real program instead.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

BIN = Path(sys.executable).parent
SOCKET = "socket"
LIBRARIES = [
    "numpy", "pandas", "pyarrow.parquet", "pyarrow.dataset", "scipy.optimize", "scipy.stats", "scipy.sparse",
    "yaml", "PIL.Image", "sklearn.linear_model", "sklearn.neighbors", "sklearn.isotonic", "matplotlib.pyplot",
    "torch", "torch._dynamo", "torchvision.models", "mlflow", "mlflow.store.tracking.sqlalchemy_store",
    "dvc.cli", "dvc.repo", "dvc.stage", "dvc.cachemgr", "typer", "rich.console", "rich.progress", "pydantic",
]  # fmt: skip
PROGRAM = """\
#!{python} -IS
import json, os, socket, sys
if {is_python} and (sys.argv[1:2] != ["-m"] or sys.argv[2].split(".")[0] not in ("assay", "dvc", "prefect")):
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
asked = {{"program": {name!r}, "argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd()}}
with socket.socket(socket.AF_UNIX) as line:
    line.connect({address!r})
    socket.send_fds(line, [b"."], [0, 1, 2])
    line.sendall(json.dumps(asked).encode() + b"\\n")
    answer = line.recv(16)
code = int(answer or 1)
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
"""What stands for a program: it hands its streams over, and ends as the fork that ran in its place."""


@cache
def programs() -> Path:
    """A folder with `assay`, `dvc` and `python`, to put first on PATH; its server ends with this process."""
    folder = Path(mkdtemp(prefix="forking-"))
    (folder / "bin").mkdir()
    for name in ("assay", "dvc", "python"):
        text = PROGRAM.format(
            python=sys.executable, name=name, is_python=name == "python", address=str(folder / SOCKET)
        )
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, __file__, str(folder)]
    server = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"
    atexit.register(server.communicate)  # closes its input, at which it ends
    return folder / "bin"


def main() -> None:
    """Answer each call by a fork, until whoever started the server is gone: its end of standard input closes."""
    folder = Path(sys.argv[1])
    for library in LIBRARIES:
        importlib.import_module(library)
    gc.freeze()  # else each fork copies the memory of all libraries when it collects
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / SOCKET))
        listening.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listening, sys.stdin], [], [])
            if sys.stdin in ready:
                shutil.rmtree(folder, ignore_errors=True)
                return
            line, _ = listening.accept()
            if not os.fork():
                listening.close()
                break
            line.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _answer(line, folder)


def _answer(line: socket.socket, folder: Path) -> None:
    """Run one program in a fork, and send its exit code; a caller that dies takes the fork with it."""
    _, streams, *_ = socket.recv_fds(line, 1, 3)
    with line.makefile("rb") as stream:
        asked = json.loads(stream.readline())
    began = os.fork()
    if not began:
        line.close()
        os.setsid()  # a program that kills its group means its own
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return _become(asked, folder)
    for stream in streams:
        os.close(stream)
    code = _wait(began, line)
    with suppress(BrokenPipeError):
        line.sendall(str(code).encode())
    os._exit(0)


def _wait(child: int, line: socket.socket) -> int:
    ended = os.pidfd_open(child)
    while True:
        ready, _, _ = select.select([ended, line], [], [])
        if ended in ready:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.kill(child, signal.SIGKILL)


def _become(asked: dict[str, Any], folder: Path) -> None:
    """Take over arguments, environment and folder of the program that was called, and run it as Python does."""
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    time.tzset()
    sys.executable = str(folder / "bin" / "python")
    own = [path for path in sys.path[1:] if path]
    added = [path for path in asked["env"].get("PYTHONPATH", "").split(os.pathsep) if path]
    is_module = asked["program"] == "python"
    sys.argv = asked["argv"][2:] if is_module else [str(BIN / asked["program"]), *asked["argv"][1:]]
    sys.path[:] = [asked["cwd"] if is_module else str(BIN), *added, *own]
    code = _run(sys.argv[0], is_module)
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)  # Python's own end takes the libraries apart, which copies them


def _run(program: str, is_module: bool) -> int:
    """Exit code of a program, after what it left to be done at its end."""
    try:
        if is_module:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(program, run_name="__main__")
        code = 0
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    return code


if __name__ == "__main__":
    main()
