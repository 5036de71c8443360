"""Runs a command in a terminal of 40 rows and 100 columns and types into it.

Arguments: a JSON list of [expected, typed] pairs, and the command. Each text is typed once what is expected was written, counting from the
last one; `SIZE rows columns` changes the terminal's size. Writes everything that the command wrote, and a last line `status N raw|cooked`
with its exit status and whether the terminal echoes again. A minute without what is expected ends it with status 70.
"""
import fcntl
import json
import os
import select
import struct
import sys
import termios
import time

steps = json.loads(sys.argv[1])
master, slave = os.openpty()
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for descriptor in range(3):
        os.dup2(slave, descriptor)
    os.execvp(sys.argv[2], sys.argv[2:])


def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


resize(40, 100)
output = b""
seen = 0
deadline = time.time() + 60
ended = None
while ended is None or select.select([master], [], [], 0)[0]:
    if time.time() > deadline:
        sys.stdout.buffer.write(output)
        print("\nstill waiting for", steps[:1])
        sys.exit(70)
    if select.select([master], [], [], 0.05)[0]:
        output += os.read(master, 65536)
    if steps:
        at = output.find(steps[0][0].encode(), seen)
        if at >= 0:
            seen = at + len(steps[0][0].encode())
            text = steps.pop(0)[1]
            if text.startswith("SIZE "):
                resize(*map(int, text.split()[1:]))
            else:
                os.write(master, text.encode())
    if ended is None:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            ended = os.waitstatus_to_exitcode(status)
echoes = termios.tcgetattr(slave)[3] & termios.ECHO
sys.stdout.buffer.write(output)
print("\nstatus", ended, "cooked" if echoes else "raw")
