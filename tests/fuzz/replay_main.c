/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main() of a fuzz target where there is no libFuzzer: gives it every file
 * named, each in memory of exactly its size, so that the sanitizers see a read
 * beyond its end.  Finding new inputs is libFuzzer's job (make fuzz).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int
replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size = -1;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0) {
        perror(path);
        return 1;
    }
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    size_t got = bytes == NULL ? 0 : fread(bytes, 1, (size_t)size, file);

    fclose(file);
    if (bytes == NULL || got != (size_t)size) {
        fprintf(stderr, "%s: can not be read whole\n", path);
        free(bytes);
        return 1;
    }
    printf("%s: %ld bytes\n", path, size);
    fflush(stdout); /* names the input, should it crash now */
    LLVMFuzzerTestOneInput(bytes, got);
    free(bytes);
    return 0;
}

int
main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    return failed;
}
