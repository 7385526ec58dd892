/* Preloaded into the program, this makes one call fail that changes a file, or ends the program there:
 *
 *     FAIL_UNDER=FOLDER FAIL_AT=K [FAIL_HOW=kill] FAIL_COUNT=FILE LD_PRELOAD=./failing_writes.so posteria …
 *
 * Counted are writes, syncs, truncations, renames, removals and new folders under FOLDER. Call number K, from 1, fails for want
 * of space, or kills the program before it is made. How many there were is written to FILE; K = 0 only counts. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static atomic_int calls;

static int is_under(const char *path) {
    const char *folder = getenv("FAIL_UNDER");
    return folder && strncmp(path, folder, strlen(folder)) == 0;
}

static int fails(const char *what, const char *path) {
    if (!is_under(path)) return 0;
    int call = ++calls;
    const char *count = getenv("FAIL_COUNT");
    if (count) {
        int file = REAL(open)(count, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (file >= 0) {
            char line[PATH_MAX + 64];
            int length = snprintf(line, sizeof line, "%d %s %s\n", call, what, path);
            if (REAL(write)(file, line, length) < 0) abort();
            REAL(close)(file);
        }
    }
    const char *at = getenv("FAIL_AT"), *how = getenv("FAIL_HOW");
    if (!at || atoi(at) != call) return 0;
    if (how && strcmp(how, "kill") == 0) raise(SIGKILL);
    errno = ENOSPC;
    return 1;
}

static int fails_at(const char *what, int folder, const char *path) {
    char full[PATH_MAX * 2], link[64];
    if (path[0] == '/') return fails(what, path);
    if (folder == AT_FDCWD) {
        if (!getcwd(full, PATH_MAX)) return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, full, PATH_MAX);
        if (length < 0) return 0;
        full[length] = 0;
    }
    strcat(full, "/");
    strncat(full, path, PATH_MAX - 1);
    return fails(what, full);
}

static int fails_of(const char *what, int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(what, path);
}

ssize_t write(int f, const void *b, size_t n) { return fails_of("write", f) ? -1 : REAL(write)(f, b, n); }
ssize_t writev(int f, const struct iovec *v, int n) { return fails_of("writev", f) ? -1 : REAL(writev)(f, v, n); }
ssize_t pwrite(int f, const void *b, size_t n, off_t o) { return fails_of("pwrite", f) ? -1 : REAL(pwrite)(f, b, n, o); }
ssize_t pwrite64(int f, const void *b, size_t n, off64_t o) { return fails_of("pwrite", f) ? -1 : REAL(pwrite64)(f, b, n, o); }
int fsync(int f) { return fails_of("fsync", f) ? -1 : REAL(fsync)(f); }
int fdatasync(int f) { return fails_of("fdatasync", f) ? -1 : REAL(fdatasync)(f); }
int ftruncate(int f, off_t n) { return fails_of("ftruncate", f) ? -1 : REAL(ftruncate)(f, n); }
int ftruncate64(int f, off64_t n) { return fails_of("ftruncate", f) ? -1 : REAL(ftruncate64)(f, n); }
int rename(const char *a, const char *b) { return fails_at("rename", AT_FDCWD, b) ? -1 : REAL(rename)(a, b); }
int unlink(const char *a) { return fails_at("unlink", AT_FDCWD, a) ? -1 : REAL(unlink)(a); }
int rmdir(const char *a) { return fails_at("rmdir", AT_FDCWD, a) ? -1 : REAL(rmdir)(a); }
int unlinkat(int d, const char *a, int g) { return fails_at("unlinkat", d, a) ? -1 : REAL(unlinkat)(d, a, g); }
int mkdir(const char *a, mode_t m) { return fails_at("mkdir", AT_FDCWD, a) ? -1 : REAL(mkdir)(a, m); }

static mode_t mode_of(int flags, va_list *list) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(*list, mode_t) : 0; }

int open(const char *a, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, &list);
    va_end(list);
    return flags & (O_CREAT | O_TRUNC) && fails_at("create", AT_FDCWD, a) ? -1 : REAL(open)(a, flags, mode);
}

int open64(const char *a, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = mode_of(flags, &list);
    va_end(list);
    return flags & (O_CREAT | O_TRUNC) && fails_at("create", AT_FDCWD, a) ? -1 : REAL(open64)(a, flags, mode);
}
