/* SPDX-License-Identifier: Apache-2.0 */
/* What a raw reader or writer found, in the forms of report.h. */
#ifndef TOOLS_BENCH_DISK_REPORT_H
#define TOOLS_BENCH_DISK_REPORT_H

#include "tools/bench/disk.h"
#include "tools/bench/disk_file.h"
#include "tools/bench/report.h"

struct disk_report {
    const char *path;
    const struct disk_file *file;
    const struct disk_plan *plan;
    const struct disk_result *result;
};

void disk_report_print(FILE *, enum report_form, const struct disk_report *);

#endif
