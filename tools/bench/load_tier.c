/* SPDX-License-Identifier: Apache-2.0 */
/* Reads INFO.  What is done between two readings is load.c's. */
#include "tools/bench/load_tier.h"

#include "base/clock.h"
#include "tools/bench/quantity.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIMEOUT_MS 30000u
#define PAUSE_NS   (long)NS_PER_MS

static const struct {
    const char *name;
    size_t at;
} fields[] = {
    {"dram_size", offsetof(struct load_tier_figures, dram_size)},
    {"nvme_queue_bytes", offsetof(struct load_tier_figures, queue_bytes)},
    {"hits_dram", offsetof(struct load_tier_figures, hits_dram)},
    {"hits_nvme", offsetof(struct load_tier_figures, hits_nvme)},
    {"nvme_written_bytes", offsetof(struct load_tier_figures, written_bytes)},
    {"nvme_write_bytes_skipped",
     offsetof(struct load_tier_figures, skipped_bytes)},
};
#define FIELDS (sizeof fields / sizeof fields[0])

/* What follows "name:" at the beginning of a line. */
static bool
find_number(struct bytes text, const char *name, uint64_t *out)
{
    size_t size = strlen(name);
    const uint8_t *at = text.at, *end = text.at + text.size;

    while (at != NULL && (size_t)(end - at) > size + 1) {
        char digits[24] = "";
        if (memcmp(at, name, size) == 0 && at[size] == ':') {
            at += size + 1;
            for (size_t i = 0; i + 1 < sizeof digits && at < end; i++, at++) {
                if (*at < '0' || *at > '9')
                    break;
                digits[i] = (char)*at;
            }
            return quantity_read_count(digits, out);
        }
        at = memchr(at, '\n', (size_t)(end - at));
        at = at != NULL ? at + 1 : NULL;
    }
    return false;
}

static enum status
read_info(struct load_tier *tier, struct bytes *text, char *why, size_t room)
{
    struct bytes word = wire_text("INFO");
    struct resp_token token;
    enum status status = wire_command(tier->wire, 1, &word);

    if (status == STATUS_OK)
        status = wire_token(tier->wire, &token, text);
    if (status != STATUS_OK) {
        snprintf(why, room, "INFO: %s", wire_why(tier->wire));
        return status;
    }
    if (token.type == RESP_BULK)
        return STATUS_OK;
    snprintf(why, room, "INFO was answered by something that is no text");
    return STATUS_BAD_REQUEST;
}

enum status
load_tier_read(struct load_tier *tier, struct load_tier_figures *out, char *why,
               size_t room)
{
    struct bytes text = {NULL, 0};
    enum status status = read_info(tier, &text, why, room);

    for (unsigned i = 0; i < FIELDS && status == STATUS_OK; i++) {
        uint64_t number = 0;
        if (!find_number(text, fields[i].name, &number)) {
            snprintf(why, room,
                     "the server has no NVMe tier: its INFO has no %s",
                     fields[i].name);
            return STATUS_BAD_REQUEST;
        }
        memcpy((char *)out + fields[i].at, &number, sizeof number);
    }
    return status;
}

enum status
load_tier_open(const struct wire_url *url, struct load_tier *out, char *why,
               size_t room)
{
    struct wire_url info_url = *url;

    info_url.kind = WIRE_RESP; /* on the same port; memcached will refuse */
    info_url.space = 0;
    *out = (struct load_tier){.wire = NULL};
    enum status status =
        wire_open(&info_url, TIMEOUT_MS, &out->wire, why, room);
    if (status != STATUS_OK)
        return status;
    status = load_tier_read(out, &out->start, why, room);
    if (status != STATUS_OK)
        load_tier_close(out);
    return status;
}

void
load_tier_close(struct load_tier *tier)
{
    if (tier->wire != NULL)
        wire_close(&tier->wire);
}

enum status
load_tier_await(struct load_tier *tier, uint64_t queue_bytes, char *why,
                size_t room)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    uint64_t deadline_ns = 0, least = UINT64_MAX;

    for (;;) {
        struct load_tier_figures now;
        enum status status = load_tier_read(tier, &now, why, room);
        if (status != STATUS_OK || now.queue_bytes <= queue_bytes)
            return status;
        if (now.queue_bytes < least) {
            least = now.queue_bytes;
            deadline_ns = clock_now_ns() + TIMEOUT_MS * NS_PER_MS;
        }
        if (clock_now_ns() > deadline_ns) {
            char left[32];
            quantity_write_size(least, left, sizeof left);
            snprintf(why, room, "the server has left %s unwritten for %u s",
                     left, TIMEOUT_MS / 1000);
            return STATUS_LATE;
        }
        nanosleep(&pause, NULL);
    }
}

double
load_tier_share(const struct load_tier_figures *before,
                const struct load_tier_figures *after)
{
    uint64_t nvme = after->hits_nvme - before->hits_nvme;
    uint64_t all = nvme + after->hits_dram - before->hits_dram;

    return all == 0 ? 0 : (double)nvme / (double)all;
}
