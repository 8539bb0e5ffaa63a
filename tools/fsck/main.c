/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prefixcache-fsck: looks at an NVMe tier that no server uses, believes
 * nothing, changes nothing, and says what is broken.
 */
#include "tools/bench/progress.h"
#include "tools/fsck/check.h"
#include "tools/fsck/device.h"
#include "tools/fsck/report.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The build says it; a file compiled by hand does not know. */
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(version unknown)"
#endif

const char *argp_program_version = "prefixcache-fsck " PACKAGE_VERSION;

enum exit_code { EXIT_HEALTHY, EXIT_BROKEN, EXIT_UNREAD };

enum option_key { KEY_OUTPUT = 'o', KEY_FORCE = 'f' };

static const struct argp_option options[] = {
    {"output", KEY_OUTPUT, "FORMAT", 0, "table (default) or json", 0},
    {"force", KEY_FORCE, NULL, 0,
     "Look even while a server uses it: what is written meanwhile may look "
     "broken",
     0},
    {NULL, 0, NULL, 0, NULL, 0},
};

struct request {
    const char *path;
    bool is_json, is_forced;
};

static error_t
on_option(int key, char *text, struct argp_state *state)
{
    struct request *request = state->input;

    switch (key) {
    case KEY_OUTPUT:
        request->is_json = strcmp(text, "json") == 0;
        if (!request->is_json && strcmp(text, "table") != 0)
            argp_error(state, "--output %s: expected table or json", text);
        return 0;
    case KEY_FORCE:
        request->is_forced = true;
        return 0;
    case ARGP_KEY_ARG:
        if (request->path != NULL)
            argp_error(state, "\"%s\" is one argument too many", text);
        request->path = text;
        return 0;
    case ARGP_KEY_END:
        if (request->path == NULL)
            argp_error(state, "a path is missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static enum exit_code
fail(const struct device *device, const char *why)
{
    fprintf(stderr, "prefixcache-fsck: %s: %s\n", device->path, why);
    return EXIT_UNREAD;
}

static enum exit_code
fail_super(const struct device *device, enum status status,
           const struct nvme_super_seen *seen)
{
    char why[128];

    switch (status) {
    case STATUS_MISS:
        return fail(device, "blank: no server has used it yet");
    case STATUS_CORRUPT:
        return fail(device, "not a prefixcache device, or neither of its "
                            "superblocks is whole");
    case STATUS_BAD_REQUEST:
        snprintf(why, sizeof why,
                 "of version %u, which is newer than this program (%u)",
                 seen->newer_version, NVME_VERSION);
        return fail(device, why);
    case STATUS_IO:
        return fail(device, "its superblocks can not be read");
    default:
        return fail(device, status_text(status));
    }
}

static void
on_progress(void *arg, uint32_t done, uint64_t bytes)
{
    struct progress *progress = arg;

    if (progress->is_terminal)
        progress_show(progress, done, bytes);
}

static enum exit_code
look(const struct device *device, bool is_json)
{
    static struct check_result result;
    struct nvme_super_seen seen = {.newer_version = 0};
    struct progress progress;
    struct check_progress shown = {.arg = &progress, .show = on_progress};
    enum status status = nvme_scan_super(device->fd, &seen);

    if (status != STATUS_OK)
        return fail_super(device, status, &seen);
    progress_start(&progress, seen.super.segment_count);
    progress.unit = "segments";
    status = check_run(device->fd, device->size, &seen, &shown, &result);
    progress_end(&progress);
    if (status != STATUS_OK)
        return fail(device, status == STATUS_NO_SPACE ? "not enough memory"
                                                      : status_text(status));
    if (!is_json)
        report_table(device, &seen.super, &result);
    else if (!report_json(device, &seen.super, &result))
        return fail(device, "not enough memory");
    return result.broken_count == 0 ? EXIT_HEALTHY : EXIT_BROKEN;
}

int
main(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = on_option,
        .args_doc = "PATH",
        .doc = "Looks at the NVMe tier in PATH (as nvme.path: a block device, "
               "a file, or a directory with a prefixcache.nvme in it) while "
               "no server uses it; changes nothing.\v"
               "Exit status: 0 healthy, 1 something is broken, 2 usage or it "
               "can not be looked at.",
    };
    struct request request = {.path = NULL};
    struct device device;
    char why[PATH_MAX + 256];

    argp_err_exit_status = EXIT_UNREAD;
    if (argp_parse(&argp, argc, argv, 0, NULL, &request) != 0) {
        fputs("prefixcache-fsck: not enough memory\n", stderr);
        return EXIT_UNREAD;
    }
    if (!device_open(&device, request.path, request.is_forced, why,
                     sizeof why)) {
        fprintf(stderr, "prefixcache-fsck: %s\n", why);
        return EXIT_UNREAD;
    }
    enum exit_code code = look(&device, request.is_json);
    device_close(&device);
    if (fclose(stdout) != 0 && code != EXIT_UNREAD) {
        fprintf(stderr, "prefixcache-fsck: cannot write standard output: %s\n",
                strerror(errno));
        code = EXIT_UNREAD;
    }
    return (int)code;
}
