/* SPDX-License-Identifier: Apache-2.0 */
/* Tells which values are equal although their names say that they are of
 * different prompts.  Pure; reading them is the caller's. */
#ifndef CLI_DOCTOR_VALUES_H
#define CLI_DOCTOR_VALUES_H

#include "tools/cli/doctor_case.h"

struct doctor_values;

/* Of at most so many values. */
enum status doctor_values_open(unsigned most,
                               struct doctor_values **out) MUST_USE;
void doctor_values_close(struct doctor_values **);

/* Is there room for this one, and could it tell anything? */
bool doctor_values_wants(const struct doctor_values *,
                         const struct prefixcache_entry *);
/* One that is wanted.  False: no memory. */
bool doctor_values_add(struct doctor_values *, const struct prefixcache_entry *,
                       uint64_t checksum);
/* Fills in what of `out` tells of alike values. */
void doctor_values_compare(struct doctor_values *,
                           struct doctor_case_values *out);

#endif
