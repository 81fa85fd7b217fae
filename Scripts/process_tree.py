"""Runs a command that ends together with all that it started."""

import os
import signal
import subprocess


def run(command, timeout=None, **options):
    """Like `subprocess.run`; when time is up, or the caller gives up, the whole tree is killed.

    Killing a process group is not enough: `swift test` gives the tests a group of their own, and
    they hold the output open. Raises `subprocess.TimeoutExpired` with the output so far.
    """
    # A session of its own: Ctrl-C is for the caller, who then kills the tree.
    process = subprocess.Popen(command, text=True, start_new_session=True, **options)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as expired:
        _kill(process.pid)
        expired.output, expired.stderr = process.communicate()
        raise
    except BaseException:
        _kill(process.pid)
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _kill(root):
    table = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    )
    parents = dict(map(int, line.split()) for line in table.stdout.splitlines())
    tree = [root]  # grows while it is walked
    for parent in tree:
        tree += [child for child, its_parent in parents.items() if its_parent == parent]
    for pid in tree:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended meanwhile
