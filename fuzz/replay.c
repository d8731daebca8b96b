/* Feeds every file of a folder to a fuzz target, each in memory of exactly its size, so that the
 * sanitizers see a read past the end.  A crash is the failure; REPLAY_VERBOSE=1 says at which
 * file.*/
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path, size_t size)
{
    FILE    *f = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);
    int      good = f && data && fread(data, 1, size, f) == size;
    if (good)
        LLVMFuzzerTestOneInput(data, size);
    else
        fprintf(stderr, "cannot read '%s'\n", path);
    free(data);
    if (f)
        fclose(f);
    return good;
}

int main(int argc, char **argv)
{
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    int  count = 0, good = 1;
    if (!folder) {
        fprintf(stderr, "no corpus: fuzz_NAME.c comes with files in corpus/NAME\n");
        return 1;
    }
    for (struct dirent *e; good && (e = readdir(folder));) {
        char        path[4096];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (getenv("REPLAY_VERBOSE"))
            fprintf(stderr, "%s\n", path);
        good = replay(path, (size_t)st.st_size);
        count += good;
    }
    closedir(folder);
    printf("%d inputs\n", count);
    return good && count ? 0 : 1;
}
