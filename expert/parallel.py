"""Work in a second process beside this one, where that is possible: training reads and fits on two cores."""

import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any


def beside(work: Callable[[], Any]) -> Callable[[], Any]:
    """Start work in a forked process; the function returned waits for the outcome.

    Where a fork is not possible or not safe (other threads run), or the work fails there, it is done when the outcome is asked for: what it raises is
    raised here.
    """
    if "fork" not in multiprocessing.get_all_start_methods() or threading.active_count() > 1 or sys.platform == "darwin":
        return work
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, work), daemon=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of native threads too: the child uses none of theirs
            process.start()
    except (OSError, AssertionError):
        return work
    sender.close()

    def outcome() -> Any:
        try:
            return receiver.recv()
        except (EOFError, OSError):
            return work()
        finally:
            receiver.close()
            process.join()

    return outcome


def _send(sender: Any, work: Callable[[], Any]) -> None:
    try:
        sender.send(work())
    except BaseException:  # also Ctrl-C: it is the parent that tells the user
        os._exit(1)
