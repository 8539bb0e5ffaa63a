/* SPDX-License-Identifier: Apache-2.0 */
/* What was found, as a table for people or as JSON for programs, on stdout. */
#ifndef TOOLS_FSCK_REPORT_H
#define TOOLS_FSCK_REPORT_H

#include "tools/fsck/check.h"
#include "tools/fsck/device.h"

void report_table(const struct device *, const struct nvme_super *,
                  const struct check_result *);
/* False: no memory. */
bool report_json(const struct device *, const struct nvme_super *,
                 const struct check_result *);

#endif
