"""What a dock loads when it starts: no more than it needs. It has little memory, and cameras to drain."""

import subprocess
import sys

HEAVY = ("ssl", "http.client", "boto3", "botocore", "pyrage", "c2pa", "weasyprint", "rfc3161_client", "pytsk3", "usb")


def test_the_daemon_loads_nothing_for_what_is_not_configured() -> None:
    program = f"import sys, dockagent.daemon; print([one for one in {HEAVY!r} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
