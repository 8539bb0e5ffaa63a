/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spill tier: chunks that NVMe gives up, in RocksDB, on a slower or shared
 * volume.  What every lower tier does is in lower.h; this is what is particular.
 *
 * The files are a directory of RocksDB's own, with a LOCK that one process at a
 * time can have.  Values lie in groups of about a 64th of spill.size each,
 * which are given back whole.
 */
#ifndef STORAGE_SPILL_H
#define STORAGE_SPILL_H

#include "storage/lower.h"

enum spill_compression { SPILL_NONE, SPILL_LZ4, SPILL_ZSTD };

struct spill_options {
    const char *path;   /* a directory; made if it is not there */
    uint64_t size;      /* bytes on the device, all told */
    uint64_t memory;    /* bytes that RocksDB may take */
    uint64_t value_max; /* bytes: groups are made to hold one */
    uint64_t inflight;  /* bytes of values put and not written yet */
    uint64_t probe_ns;  /* between attempts to open what failed, at least */
    unsigned threads;   /* that read */
    enum spill_compression compression;
};

struct spill_usage {
    bool may_read, may_write;
    const char *state;    /* "serving", "read only", "out of service", "off" */
    uint64_t size, used;  /* bytes on the device: allowed, taken */
    uint64_t memory_used; /* bytes of RocksDB's */
    uint32_t groups;      /* of values, now */
    uint64_t read_bytes, written_bytes; /* of values, as they are in DRAM */
    uint64_t read_errors, write_errors, corrupt, late;
    uint64_t out_of_service; /* times that reads or writes were stopped */
    uint64_t reopened, recreated;
    uint64_t notes, notes_lost;
    uint64_t notes_waiting; /* bytes of those that a kill would forget */
    uint64_t recovered,
        recovery_ns; /* values found at start, how long it took */
};
void spill_usage(const struct tier *, struct spill_usage *out);

#endif
