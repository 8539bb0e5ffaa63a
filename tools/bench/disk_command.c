/* SPDX-License-Identifier: Apache-2.0 */
/* `prefixcache-bench disk`: the command line, and what follows what. */
#include "tools/bench/command.h"
#include "tools/bench/disk_report.h"
#include "tools/bench/quantity.h"

#include <argp.h>
#include <string.h>

#define DEFAULT_SIZE     (1u << 20)
#define DEFAULT_INFLIGHT (8u << 20) /* where PERF found throughput, not delay */
#define DEFAULT_FILE     (4ull << 30)
#define DEFAULT_SECONDS  3
#define SIZE_MOST        (64u << 20)
#define INFLIGHT_MOST    (1u << 30)

enum {
    OPTION_MODE = 0x100,
    OPTION_SIZE,
    OPTION_INFLIGHT,
    OPTION_DEPTH,
    OPTION_SEQUENTIAL,
    OPTION_SECONDS,
    OPTION_FILE_SIZE,
    OPTION_FILL,
    OPTION_NO_FILL,
    OPTION_OVERWRITE
};

static const struct argp_option options[] = {
    {"mode", OPTION_MODE, "read|write", 0, "What to do (read)", 0},
    {"size", OPTION_SIZE, "SIZE", 0, "Size of each transfer (1MiB)", 0},
    {"inflight", OPTION_INFLIGHT, "SIZE", 0,
     "Bytes under way at one time, one transfer at least (8MiB)", 0},
    {"depth", OPTION_DEPTH, "N", 0, "The same, in transfers", 0},
    {"sequential", OPTION_SEQUENTIAL, NULL, 0,
     "One after the other, not at random", 0},
    {"seconds", OPTION_SECONDS, "S", 0, "How long to measure (3)", 0},
    {"file-size", OPTION_FILE_SIZE, "SIZE", 0,
     "How much of the file to use (all of it; 4GiB of a new one)", 0},
    {"fill", OPTION_FILL, NULL, 0,
     "Write a scratch file once before measuring (default where it is read)",
     0},
    {"no-fill", OPTION_NO_FILL, NULL, 0, "Take it as it is", 0},
    {"overwrite", OPTION_OVERWRITE, NULL, 0,
     "Write to what this program did not make, and destroy what is in it", 0},
    {"output", 'o', "table|json", 0, "Form of the result (table)", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

struct arguments {
    struct disk_file_plan file;
    struct disk_plan disk;
    uint64_t inflight;
    int fill; /* 1 and 0 when asked for, else -1: where it is read */
    enum report_form form;
};

static void
take_mode(const struct argp_state *state, const char *text,
          struct arguments *arguments)
{
    bool is_write = strcmp(text, "write") == 0;

    if (!is_write && strcmp(text, "read") != 0)
        argp_error(state, "--mode: '%s' is not read or write", text);
    arguments->disk.mode = is_write ? DISK_WRITE : DISK_READ;
}

static void
complete(const struct argp_state *state, struct arguments *arguments)
{
    struct disk_plan *disk = &arguments->disk;

    if (disk->size % DISK_BLOCK != 0)
        argp_error(state, "--size: not a multiple of 4 KiB");
    if (disk->depth == 0)
        disk->depth = arguments->inflight > disk->size
                          ? (unsigned)(arguments->inflight / disk->size)
                          : 1;
    if (disk_pieces(disk) > DISK_PIECES_MAX ||
        disk->depth * disk->size > INFLIGHT_MOST)
        argp_error(state,
                   "more under way than %u transfers (or pieces of "
                   "1 MiB), or than 1 GiB",
                   DISK_PIECES_MAX);
    arguments->file.is_written = disk->mode == DISK_WRITE;
    arguments->file.is_filled =
        arguments->fill >= 0 ? arguments->fill == 1 : disk->mode == DISK_READ;
}

static error_t
parse_ends(int key, char *text, const struct argp_state *state,
           struct arguments *arguments)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (arguments->file.path != NULL)
            argp_error(state, "one path, not also '%s'", text);
        arguments->file.path = text;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which file? Give its path, or a directory");
        return 0;
    case ARGP_KEY_SUCCESS:
        complete(state, arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t
parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct disk_plan *disk = &arguments->disk;

    switch (key) {
    case OPTION_MODE:
        take_mode(state, text, arguments);
        return 0;
    case OPTION_SIZE:
        disk->size =
            quantity_size_option(state, "size", text, DISK_BLOCK, SIZE_MOST);
        return 0;
    case OPTION_INFLIGHT:
        arguments->inflight =
            quantity_size_option(state, "inflight", text, 1, INFLIGHT_MOST);
        return 0;
    case OPTION_DEPTH:
        disk->depth = (unsigned)quantity_count_option(state, "depth", text, 1,
                                                      DISK_PIECES_MAX);
        return 0;
    case OPTION_SEQUENTIAL:
        disk->is_sequential = true;
        return 0;
    case OPTION_SECONDS:
        disk->seconds =
            quantity_decimal_option(state, "seconds", text, 0.01, 86400);
        return 0;
    case OPTION_FILE_SIZE:
        arguments->file.size = quantity_size_option(
            state, "file-size", text, 2 * DISK_FILE_START, 1ull << 46);
        return 0;
    case OPTION_FILL:
    case OPTION_NO_FILL:
        arguments->fill = key == OPTION_FILL;
        return 0;
    case OPTION_OVERWRITE:
        arguments->file.may_overwrite = true;
        return 0;
    case 'o':
        if (!report_form_read(text, &arguments->form))
            argp_error(state, "--output: '%s' is not table or json", text);
        return 0;
    default:
        return parse_ends(key, text, state, arguments);
    }
}

/* Writes what has never been written of a scratch file. */
static enum status
fill(struct disk_file *file, char *why, size_t room)
{
    struct disk_plan plan = {.fd = file->fd,
                             .mode = DISK_WRITE,
                             .start = file->written > DISK_FILE_START
                                          ? file->written
                                          : DISK_FILE_START,
                             .end = file->size,
                             .size = DEFAULT_SIZE,
                             .depth = DEFAULT_INFLIGHT / DEFAULT_SIZE,
                             .is_sequential = true};
    struct disk_result result;
    char left[32];

    quantity_write_size(plan.end - plan.start, left, sizeof left);
    fprintf(stderr, "prefixcache-bench disk: first writes %s to read\n", left);
    enum status status = disk_run(&plan, &result, why, room);
    return status == STATUS_OK ? disk_file_set_written(file, why, room)
                               : status;
}

static enum status
run(struct arguments *arguments, struct disk_file *file, char *why, size_t room)
{
    struct disk_plan *plan = &arguments->disk;
    struct disk_result result;
    enum status status = STATUS_OK;

    plan->fd = file->fd;
    plan->start = DISK_FILE_START;
    plan->end = file->size;
    if (plan->end - plan->start < plan->size) {
        snprintf(why, room, "has no room for one transfer");
        return STATUS_BAD_REQUEST;
    }
    if (arguments->file.is_filled && file->written < file->size)
        status = fill(file, why, room);
    if (status == STATUS_OK)
        status = disk_run(plan, &result, why, room);
    if (status == STATUS_OK)
        disk_report_print(stdout, arguments->form,
                          &(struct disk_report){.path = arguments->file.path,
                                                .file = file,
                                                .plan = plan,
                                                .result = &result});
    return status;
}

int
command_disk(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "PATH",
        .doc = "Read or write a file or block device by io_uring, and print "
               "throughput, latencies and the processor time it took: the "
               "most a program could do on this disk."
               "\vPATH that is not there becomes a scratch file, which stays; "
               "in a directory it has no name and vanishes.  What this "
               "program did not make is only read, unless --overwrite is "
               "given; a device of prefixcached is never written."};
    struct arguments arguments = {
        .file = {.fallback = DEFAULT_FILE},
        .disk = {.size = DEFAULT_SIZE, .seconds = DEFAULT_SECONDS},
        .inflight = DEFAULT_INFLIGHT,
        .fill = -1};
    struct disk_file file;
    char why[512];

    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    enum status status =
        disk_file_open(&arguments.file, &file, why, sizeof why);
    if (status == STATUS_OK) {
        status = run(&arguments, &file, why, sizeof why);
        disk_file_close(&file);
    }
    if (status == STATUS_OK)
        return 0;
    fprintf(stderr, "%s: %s: %s\n", argv[0], arguments.file.path, why);
    return COMMAND_FAILED;
}
