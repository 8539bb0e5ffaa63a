/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of all servers, by how they are spelled.  Pure. */
#ifndef CLI_DOCTOR_CENSUS_H
#define CLI_DOCTOR_CENSUS_H

#include "client/prefixcache.h"
#include "tools/cli/doctor_shape.h"

#define DOCTOR_CENSUS_GROUPS 256u
#define DOCTOR_CENSUS_NAME   256u /* with the 0; longer names are cut */
#define DOCTOR_CENSUS_DTYPE  32u

/* Keys that differ in rank and hash alone. */
struct doctor_census_group {
    unsigned space;
    char label[DOCTOR_CENSUS_NAME], model[DOCTOR_CENSUS_NAME];
    char dtype[DOCTOR_CENSUS_DTYPE];
    enum doctor_layout layout;
    enum doctor_hash hash;
    uint32_t workers;
    uint64_t keys, bytes;
    uint64_t negative; /* of those: hashes with a sign */
    uint64_t ranks;    /* bit r: there is one of rank r; 63 of higher ones */
};

struct doctor_census {
    uint64_t keys, bytes;
    uint64_t misplaced; /* on a server where nobody looks for them */
    uint64_t ungrouped; /* keys behind the last group there was room for */
    bool is_cut;        /* there are more keys than were looked at */
    unsigned group_count;
    struct doctor_census_group groups[DOCTOR_CENSUS_GROUPS];
};

/* To a census that began all zero. */
void doctor_census_add(struct doctor_census *, const struct prefixcache_entry *,
                       bool is_misplaced);

#endif
