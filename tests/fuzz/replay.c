/* replay.c - runs a fuzz target over every file of the folders given: its corpus as a test. */
#include "base/buf.h"
#include "fuzz.h"
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

static bool read_file(const char *path, struct buf *ret)
{
    FILE *f = fopen(path, "re");
    char chunk[65536];
    size_t n;
    bool good;

    if (!f)
        return false;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_append(ret, chunk, n);
    good = !ferror(f);
    (void)fclose(f);
    return good;
}

/* Runs one file; a copy of the exact size, so that ASan sees reads past its end. */
static bool replay_file(const char *path)
{
    auto_buf bytes = {0};
    auto_free uint8_t *copy = NULL;

    if (!read_file(path, &bytes)) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    copy = xcalloc(bytes.len ? bytes.len : 1, 1);
    if (bytes.len > 0)
        memcpy(copy, bytes.p, bytes.len);
    (void)fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(copy, bytes.len);
    return true;
}

/* Runs the files of a folder; the number of them, or -1. */
static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *e;
    int n = 0;

    if (!dir) {
        (void)fprintf(stderr, "%s: %s\n", folder, strerror(errno));
        return -1;
    }
    while (n >= 0 && (e = readdir(dir))) {
        auto_arena a = {0};
        const char *path = arena_printf(&a, "%s/%s", folder, e->d_name);
        struct stat st;

        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            n = replay_file(path) ? n + 1 : -1;
    }
    (void)closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    int n_files = 0;

    for (int i = 1; i < argc; i++) {
        int n = replay_folder(argv[i]);

        if (n < 0)
            return 1;
        n_files += n;
    }
    (void)fprintf(stderr, "%d inputs\n", n_files);
    return n_files > 0 ? 0 : 1; /* a corpus that went missing is a failure */
}
