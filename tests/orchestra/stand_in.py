"""A process to supervise: ``end CODE``, ``sleep``, ``stubborn`` (deaf to SIGTERM), ``parent`` (of a sleeper)."""

import os
import signal
import sys
import time


def main(behaviour: str, code: str = "0") -> None:
    if behaviour == "end":
        sys.exit(int(code))
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "parent":
        os.fork()
    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
