/* SPDX-License-Identifier: Apache-2.0 */
/* A case and what was found in it, for a person and for a program. */
#ifndef CLI_DOCTOR_REPORT_H
#define CLI_DOCTOR_REPORT_H

#include "tools/cli/doctor_case.h"

void doctor_report_print(const struct doctor_case *,
                         const struct doctor_findings *, FILE *);
/* One object, the caller's; NULL: no memory.  prefixcache-cli(1) says its
 * fields. */
json_t *doctor_report_json(const struct doctor_case *,
                           const struct doctor_findings *);

#endif
