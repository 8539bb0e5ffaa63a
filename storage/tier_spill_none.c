/* SPDX-License-Identifier: Apache-2.0 */
/* In place of the spill tier, in a program that was built without RocksDB: what
 * is asked of it is refused at the start. */
#include "storage/spill.h"

#include "base/log.h"

#include <assert.h>

static enum status
refuse(const struct tier_env *env, struct tier **tier_out)
{
    (void)tier_out;
    log_event(LOG_ERROR, "no spill tier",
              "spill.path=%s is set, but this program was built without "
              "RocksDB (configure --without-spill)",
              env->spill->path);
    return STATUS_BAD_REQUEST;
}

void
spill_usage(const struct tier *tier, struct spill_usage *out)
{
    (void)tier;
    (void)out;
    assert(!"there is no such tier");
}

const struct tier_ops tier_spill = {.name = "spill", .open = refuse};
