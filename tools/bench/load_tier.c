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
#define AHEAD_MAX  (32u << 20)

/* What a tier shows is needed of the one that is asked for. */
#define AT(field) offsetof(struct load_tier_figures, field)
static const struct {
    const char *name;
    size_t at;
    enum load_tier_kind kind;
} fields[] = {
    {"dram_size", AT(dram_size), LOAD_TIER_NONE},
    {"hits_dram", AT(hits_dram), LOAD_TIER_NONE},
    {"nvme_size", AT(nvme_size), LOAD_TIER_NVME},
    {"nvme_queue_bytes", AT(nvme_queue), LOAD_TIER_NVME},
    {"hits_nvme", AT(hits_nvme), LOAD_TIER_NVME},
    {"nvme_written_bytes", AT(nvme_written), LOAD_TIER_NVME},
    {"nvme_write_bytes_skipped", AT(nvme_skipped), LOAD_TIER_NVME},
    {"spill_queue_bytes", AT(spill_queue), LOAD_TIER_SPILL},
    {"hits_spill", AT(hits_spill), LOAD_TIER_SPILL},
    {"spill_written_bytes", AT(spill_written), LOAD_TIER_SPILL},
    {"spill_write_bytes_skipped", AT(spill_skipped), LOAD_TIER_SPILL},
};
#undef AT
#define FIELDS (sizeof fields / sizeof fields[0])

static const struct {
    const char *word, *name;
} words[] = {
    [LOAD_TIER_NONE] = {"", ""},
    [LOAD_TIER_NVME] = {"nvme", "NVMe"},
    [LOAD_TIER_SPILL] = {"spill", "the spill"},
};

const char *
load_tier_word(enum load_tier_kind kind)
{
    return words[kind].word;
}

const char *
load_tier_name(enum load_tier_kind kind)
{
    return words[kind].name;
}

enum load_tier_kind
load_tier_find(const char *word)
{
    if (strcmp(word, words[LOAD_TIER_NVME].word) == 0)
        return LOAD_TIER_NVME;
    return strcmp(word, words[LOAD_TIER_SPILL].word) == 0 ? LOAD_TIER_SPILL
                                                          : LOAD_TIER_NONE;
}

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
        bool is_needed =
            fields[i].kind == LOAD_TIER_NONE || fields[i].kind == tier->kind;
        if (!find_number(text, fields[i].name, &number) && is_needed) {
            snprintf(why, room, "the server has no %s tier: its INFO has no %s",
                     tier->kind == LOAD_TIER_NVME ? "NVMe" : "spill",
                     fields[i].name);
            return STATUS_BAD_REQUEST;
        }
        memcpy((char *)out + fields[i].at, &number, sizeof number);
    }
    return status;
}

enum status
load_tier_open(const struct wire_url *url, enum load_tier_kind kind,
               struct load_tier *out, char *why, size_t room)
{
    struct wire_url info_url = *url;

    info_url.kind = WIRE_RESP; /* on the same port; memcached will refuse */
    info_url.space = 0;
    *out = (struct load_tier){.kind = kind};
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
        struct load_tier_figures now = {.dram_size = 0};
        enum status status = load_tier_read(tier, &now, why, room);
        uint64_t queued = now.nvme_queue + now.spill_queue;
        if (status != STATUS_OK || queued <= queue_bytes)
            return status;
        if (queued < least) {
            least = queued;
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

uint64_t
load_tier_beyond(const struct load_tier *tier)
{
    return tier->start.dram_size +
           (tier->kind == LOAD_TIER_SPILL ? tier->start.nvme_size : 0);
}

/* NVMe that waits for the spill has room for no more. */
uint64_t
load_tier_ahead(const struct load_tier *tier)
{
    uint64_t ahead = tier->start.dram_size / 8;

    if (tier->kind == LOAD_TIER_SPILL && tier->start.nvme_size != 0)
        return 0;
    return ahead > AHEAD_MAX ? AHEAD_MAX : ahead;
}

struct load_tier_change
load_tier_change(enum load_tier_kind kind,
                 const struct load_tier_figures *before,
                 const struct load_tier_figures *after)
{
    uint64_t dram = after->hits_dram - before->hits_dram;
    uint64_t nvme = after->hits_nvme - before->hits_nvme;
    uint64_t spill = after->hits_spill - before->hits_spill;
    struct load_tier_change change = {
        .hits = nvme,
        .hits_above = dram,
        .written_bytes = after->nvme_written - before->nvme_written,
        .skipped_bytes = after->nvme_skipped - before->nvme_skipped};

    if (kind == LOAD_TIER_SPILL) {
        change.hits = spill;
        change.hits_above = dram + nvme;
        change.written_bytes = after->spill_written - before->spill_written;
        change.skipped_bytes += after->spill_skipped - before->spill_skipped;
    }
    if (change.hits != 0)
        change.share =
            (double)change.hits / (double)(change.hits + change.hits_above);
    return change;
}
