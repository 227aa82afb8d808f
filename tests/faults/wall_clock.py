"""A wall clock that a test moves under a real process; its monotonic clock stays what it is."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SOURCE: Final = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

/* Seconds by which the wall clock is wrong, in a file that the test writes. */
static const volatile long long *offset;

__attribute__((constructor)) static void find(void) {
    const char *path = getenv("FAULT_CLOCK_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, 8, PROT_READ, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) offset = at;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (!result && offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset;
    return result;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *out, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


class WallClock:
    """The wall clock of every process that is started with `env`."""

    def __init__(self, directory: Path) -> None:
        """
        Raises:
            RuntimeError: there is no C compiler to build it with.
        """
        compiler = shutil.which("cc")
        if compiler is None:
            raise RuntimeError("a C compiler is needed to move a process' clock (cc, build-essential)")
        source, library = directory / "clock.c", directory / "clock.so"
        source.write_text(_SOURCE)
        subprocess.run(
            [compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"],
            check=True,
            capture_output=True,
        )
        self._offset = directory / "offset"
        self._offset.write_bytes(struct.pack("q", 0))
        self.env: Mapping[str, str] = {"LD_PRELOAD": str(library), "FAULT_CLOCK_FILE": str(self._offset)}

    def set(self, seconds: int) -> None:
        """Be wrong by so many seconds from now on."""
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", seconds))
