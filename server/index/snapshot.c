/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a snapshot. */
#include "server/index/snapshot.h"

#include "proto/checksum.h"
#include "server/index/catalog_key.h"
#include "storage/nvme_field.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Bytes at most: of a key without its items, of an item without its texts. */
#define KEY_MOST  (10u + CATALOG_TEXT_MAX)
#define ITEM_MOST 17u

static const uint8_t magic[8] = {'P', 'C', 'I', 'N', 'D', 'E', 'X', '\n'};
static const uint8_t frame_magic[4] = {'P', 'C', 'F', 'R'};
static const uint8_t last_magic[4] = {'P', 'C', 'F', 'E'};

void
snapshot_write_head(uint8_t into[SNAPSHOT_HEAD], uint64_t unix_ms)
{
    memset(into, 0, SNAPSHOT_HEAD);
    memcpy(into, magic, sizeof(magic));
    field_write32(into + 8, SNAPSHOT_VERSION);
    field_write64(into + 16, unix_ms);
    field_write64(into + 56, checksum_of(into, 56));
}

/* What is newer may have another head altogether behind its version. */
enum snapshot_verdict
snapshot_read_head(const uint8_t from[SNAPSHOT_HEAD], uint64_t *unix_ms_out)
{
    if (memcmp(from, magic, sizeof(magic)) != 0)
        return SNAPSHOT_FOREIGN;
    if (field_read32(from + 8) > SNAPSHOT_VERSION)
        return SNAPSHOT_NEWER;
    if (field_read32(from + 8) != SNAPSHOT_VERSION ||
        field_read64(from + 56) != checksum_of(from, 56) ||
        !field_is_zero(from + 12, 4) || !field_is_zero(from + 24, 32))
        return SNAPSHOT_BROKEN;
    *unix_ms_out = field_read64(from + 16);
    return SNAPSHOT_GOOD;
}

void
snapshot_write_frame(uint8_t into[SNAPSHOT_FRAME_HEAD],
                     struct snapshot_frame *frame, const uint8_t *payload)
{
    memset(into, 0, SNAPSHOT_FRAME_HEAD);
    memcpy(into, frame->is_last ? last_magic : frame_magic, 4);
    frame->checksum = checksum_of(payload, frame->size);
    field_write32(into + 4, frame->size);
    field_write32(into + 8, frame->keys);
    field_write64(into + 16, frame->checksum);
    field_write64(into + 24, checksum_of(into, 24));
}

bool
snapshot_read_frame(const uint8_t from[SNAPSHOT_FRAME_HEAD],
                    struct snapshot_frame *out)
{
    bool is_last = memcmp(from, last_magic, 4) == 0;

    if (field_read64(from + 24) != checksum_of(from, 24) ||
        (!is_last && memcmp(from, frame_magic, 4) != 0) ||
        !field_is_zero(from + 12, 4))
        return false;
    out->is_last = is_last;
    out->size = field_read32(from + 4);
    out->keys = field_read32(from + 8);
    out->checksum = field_read64(from + 16);
    return out->size <= (is_last ? 0 : SNAPSHOT_PAYLOAD_MAX);
}

static void
put16(struct cursor *out, uint16_t value)
{
    uint8_t bytes[2];

    field_write16(bytes, value);
    (void)cursor_put(out, bytes, sizeof(bytes));
}

static void
put32(struct cursor *out, uint32_t value)
{
    uint8_t bytes[4];

    field_write32(bytes, value);
    (void)cursor_put(out, bytes, sizeof(bytes));
}

static void
put64(struct cursor *out, uint64_t value)
{
    uint8_t bytes[8];

    field_write64(bytes, value);
    (void)cursor_put(out, bytes, sizeof(bytes));
}

static void
put_text(struct cursor *out, const struct bytes *text)
{
    put16(out, (uint16_t)text->size);
    if (text->size != 0)
        (void)cursor_put(out, text->at, text->size);
}

void
snapshot_writer_start(struct snapshot_writer *writer)
{
    memset(writer->slots, 0, sizeof(writer->slots));
    writer->out.at = writer->payload;
    writer->out.end = writer->payload + sizeof(writer->payload);
    writer->out.short_by = 0;
    writer->keys = 0;
    writer->words = 0;
}

/* Slots are never more than half full. */
bool
snapshot_writer_has_room(const struct snapshot_writer *writer, uint32_t items,
                         size_t text)
{
    size_t most = KEY_MOST + text + (size_t)items * ITEM_MOST;

    return (size_t)(writer->out.end - writer->out.at) >= most &&
           writer->words + 2 * items <= SNAPSHOT_SLOTS / 2;
}

void
snapshot_writer_key(struct snapshot_writer *writer,
                    const struct snapshot_key *key)
{
    uint8_t head[2] = {key->form, key->space};
    struct cursor *out = &writer->out;

    writer->keys++;
    (void)cursor_put(out, head, sizeof(head));
    put16(out, key->age);
    put32(out, key->items);
    if ((key->form & SNAPSHOT_KIND) == CATALOG_TEXT)
        put_text(out, &key->text);
    else
        put64(out, key->number);
}

void
snapshot_writer_word(struct snapshot_writer *writer, uint32_t known,
                     const struct bytes *text)
{
    struct snapshot_slot *slot;
    uint32_t at = known * 0x9e3779b1u;

    assert(known != 0);
    do
        slot = &writer->slots[at++ % SNAPSHOT_SLOTS];
    while (slot->known != 0 && slot->known != known);
    if (slot->known == known) {
        put32(&writer->out, slot->number);
        return;
    }
    slot->known = known;
    slot->number = writer->words++;
    put32(&writer->out, slot->number);
    put_text(&writer->out, text);
}

void
snapshot_writer_short(struct snapshot_writer *writer, uint64_t number,
                      int32_t score)
{
    put64(&writer->out, number);
    put32(&writer->out, (uint32_t)score);
}

static void
put_score(struct cursor *out, double score)
{
    uint64_t bits;

    memcpy(&bits, &score, sizeof(bits));
    put64(out, bits);
}

void
snapshot_writer_number(struct snapshot_writer *writer, uint64_t number,
                       double score)
{
    (void)cursor_put(&writer->out, "\0", 1);
    put64(&writer->out, number);
    put_score(&writer->out, score);
}

void
snapshot_writer_member(struct snapshot_writer *writer, uint32_t known,
                       const struct bytes *text, double score)
{
    (void)cursor_put(&writer->out, "\1", 1);
    snapshot_writer_word(writer, known, text);
    put_score(&writer->out, score);
}

void
snapshot_reader_start(struct snapshot_reader *reader, uint8_t *payload,
                      const struct snapshot_frame *frame, struct bytes *words)
{
    memset(reader, 0, sizeof(*reader));
    reader->in.at = payload;
    reader->in.end = payload + frame->size;
    reader->words = words;
    reader->keys_left = frame->keys;
}

/* From here on nothing is read any more. */
static void
give_up(struct snapshot_reader *reader)
{
    if (reader->in.short_by == 0)
        reader->in.short_by = 1;
}

static uint32_t
take32(struct cursor *in)
{
    uint8_t bytes[4];

    (void)cursor_take(in, bytes, sizeof(bytes));
    return field_read32(bytes);
}

static uint64_t
take64(struct cursor *in)
{
    uint8_t bytes[8];

    (void)cursor_take(in, bytes, sizeof(bytes));
    return field_read64(bytes);
}

static struct bytes
take_text(struct snapshot_reader *reader)
{
    struct cursor *in = &reader->in;
    struct bytes text = {NULL, 0};
    uint8_t size[2];

    (void)cursor_take(in, size, sizeof(size));
    text.size = field_read16(size);
    text.at = in->at;
    if (text.size > CATALOG_TEXT_MAX)
        give_up(reader);
    if (!cursor_skip(in, text.size))
        text.size = 0;
    return text;
}

static struct bytes
take_word(struct snapshot_reader *reader)
{
    static const struct bytes nothing = {NULL, 0};
    uint32_t number = take32(&reader->in);

    if (reader->in.short_by != 0)
        return nothing;
    if (number < reader->word_count)
        return reader->words[number];
    if (number > reader->word_count || number >= SNAPSHOT_WORDS_MAX) {
        give_up(reader);
        return nothing;
    }
    return reader->words[reader->word_count++] = take_text(reader);
}

bool
snapshot_reader_key(struct snapshot_reader *reader, struct snapshot_key *out)
{
    struct cursor *in = &reader->in;
    uint8_t head[4];

    if (reader->keys_left == 0 || in->short_by != 0)
        return false;
    assert(reader->items_left == 0);
    (void)cursor_take(in, head, sizeof(head));
    out->form = head[0];
    out->space = head[1];
    out->age = field_read16(head + 2);
    out->items = take32(in);
    if ((out->form & SNAPSHOT_KIND) == CATALOG_TEXT)
        out->text = take_text(reader);
    else
        out->number = take64(in);
    if (out->form > (CATALOG_TEXT | SNAPSHOT_SET | SNAPSHOT_WIDE) ||
        (out->form & SNAPSHOT_KIND) > CATALOG_TEXT || out->items == 0)
        give_up(reader);
    reader->keys_left--;
    reader->items_left = out->items;
    reader->form = out->form;
    return in->short_by == 0;
}

static void
take_member(struct snapshot_reader *reader, struct snapshot_item *out)
{
    struct cursor *in = &reader->in;
    uint8_t is_word = 0;
    uint64_t bits;

    if ((reader->form & SNAPSHOT_WIDE) == 0) {
        out->number = take64(in);
        out->score = (int32_t)take32(in);
        return;
    }
    (void)cursor_take(in, &is_word, 1);
    out->is_word = is_word != 0;
    if (is_word != 0)
        out->name = take_word(reader);
    else
        out->number = take64(in);
    bits = take64(in);
    memcpy(&out->score, &bits, sizeof(bits));
    if (is_word > 1 || isnan(out->score))
        give_up(reader);
}

bool
snapshot_reader_item(struct snapshot_reader *reader, struct snapshot_item *out)
{
    if (reader->items_left == 0)
        return false;
    reader->items_left--;
    memset(out, 0, sizeof(*out));
    if ((reader->form & SNAPSHOT_SET) != 0) {
        take_member(reader, out);
    } else {
        out->name = take_word(reader);
        if ((reader->form & SNAPSHOT_WIDE) != 0)
            out->value = take_word(reader);
    }
    return reader->in.short_by == 0;
}

bool
snapshot_reader_is_good(const struct snapshot_reader *reader)
{
    return reader->in.short_by == 0 && reader->keys_left == 0 &&
           reader->items_left == 0 && reader->in.at == reader->in.end;
}
