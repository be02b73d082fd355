"""Runs inside the guest, on a virtio port: takes one JSON request a line, runs it as a shell command, answers.

Request: ``{"id": n, "run": "shell text", "seconds": s}``. Answers: ``{"id": n, "out": text}`` as it comes, then
``{"id": n, "status": n}``. It is a file of its own because the guest has nothing of this project but this.
"""

import json
import os
import subprocess
import threading
import time

PORT = "/dev/virtio-ports/hil.agent"


def main() -> None:
    """Serve for ever. A port whose other side is not there gives no bytes: wait and read again."""
    port = os.open(PORT, os.O_RDWR)
    lock = threading.Lock()
    waiting = b""
    while True:
        try:
            data = os.read(port, 65536)
        except OSError:
            data = b""
        if not data:
            time.sleep(0.1)
            continue
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            threading.Thread(target=serve, args=(port, lock, line), daemon=True).start()


def serve(port: int, lock: threading.Lock, line: bytes) -> None:
    """Carry out one request."""
    request = json.loads(line)
    number = request["id"]
    child = subprocess.Popen(
        ["/bin/bash", "-c", request["run"]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    timer = threading.Timer(request["seconds"], lambda: os.killpg(child.pid, 9))
    timer.start()
    assert child.stdout is not None
    while piece := os.read(child.stdout.fileno(), 8192):
        answer(port, lock, {"id": number, "out": piece.decode("utf-8", "backslashreplace")})
    status = child.wait()
    timer.cancel()
    answer(port, lock, {"id": number, "status": status})


def answer(port: int, lock: threading.Lock, message: dict[str, object]) -> None:
    """Write one line, whole."""
    data = json.dumps(message).encode() + b"\n"
    with lock:
        while data:
            data = data[os.write(port, data) :]


if __name__ == "__main__":
    main()
