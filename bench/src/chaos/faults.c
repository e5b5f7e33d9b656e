/* Preloaded into the server: what the machine does to it while it runs.
 *
 * The first page of the file that CHATOPS_CHAOS names says what is wrong; whoever makes trouble writes it at
 * any moment. Regular files alone are hit: sockets, pipes and terminals are not the disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct trouble {
    volatile int64_t write_error;  /* what each write to a file fails with; 0 for none */
    volatile int64_t clock_offset; /* seconds that the clock of the day is off */
};

static struct trouble none;
static struct trouble *trouble = &none;

__attribute__((constructor)) static void find_trouble(void) {
    const char *path = getenv("CHATOPS_CHAOS");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *page = mmap(0, sizeof none, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED) trouble = page;
}

/* Whether a write to this file fails now. */
static int fails(int fd) {
    int64_t error = trouble->write_error;
    struct stat file;
    if (error == 0 || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) return 0;
    errno = (int)error;
    return 1;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    return fails(fd) ? -1 : syscall(SYS_write, fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    return fails(fd) ? -1 : syscall(SYS_pwrite64, fd, bytes, count, offset);
}

int fsync(int fd) { return fails(fd) ? -1 : (int)syscall(SYS_fsync, fd); }

int fdatasync(int fd) { return fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd); }

int ftruncate64(int fd, off64_t length) {
    return fails(fd) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

/* A disk that is read-only opens nothing for writing. */
static int open_file(const char *path, int flags, mode_t mode) {
    struct stat file;
    int is_file = stat(path, &file) != 0 ? (flags & O_CREAT) : S_ISREG(file.st_mode);
    if (trouble->write_error == EROFS && is_file && (flags & (O_WRONLY | O_RDWR))) {
        errno = EROFS;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#define OPEN(name)                                 \
    int name(const char *path, int flags, ...) {   \
        va_list more;                              \
        va_start(more, flags);                     \
        mode_t mode = va_arg(more, mode_t);        \
        va_end(more);                              \
        return open_file(path, flags, mode);       \
    }
OPEN(open)
OPEN(open64)

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (done == 0 && clock == CLOCK_REALTIME) now->tv_sec += trouble->clock_offset;
    return done;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int done = (int)syscall(SYS_gettimeofday, now, zone);
    if (done == 0) now->tv_sec += trouble->clock_offset;
    return done;
}
