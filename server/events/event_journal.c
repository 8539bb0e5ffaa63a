/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of messages, and a ring of where each of them begins. */
#include "server/events/event_journal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Of the room that there is for one message, so much is for its place. */
#define MESSAGE_SIZE 128u

struct head {
    uint32_t payload_size;
    uint32_t topic_size;
};

enum status
event_journal_open(struct event_journal *journal, size_t room, uint64_t next)
{
    size_t places = room / (MESSAGE_SIZE + sizeof(*journal->places)) + 1;

    *journal = (struct event_journal){.place_count = places,
                                      .room = places * MESSAGE_SIZE,
                                      .oldest = next,
                                      .next = next};
    journal->places = calloc(places, sizeof(*journal->places));
    journal->bytes = malloc(journal->room);
    if (journal->places != NULL && journal->bytes != NULL)
        return STATUS_OK;
    event_journal_close(journal);
    return STATUS_NO_SPACE;
}

void
event_journal_close(struct event_journal *journal)
{
    free(journal->places);
    free(journal->bytes);
    *journal = (struct event_journal){0};
}

static size_t *
place_of(const struct event_journal *journal, uint64_t sequence)
{
    return &journal->places[sequence % journal->place_count];
}

static void
empty(struct event_journal *journal)
{
    journal->oldest = journal->next;
    journal->end = 0;
}

/* Where `size` bytes may go without touching what is kept. */
static bool
find_room(const struct event_journal *journal, size_t size, size_t *at_out)
{
    size_t first = *place_of(journal, journal->oldest);
    bool is_empty = journal->oldest == journal->next;

    *at_out = journal->end;
    if (!is_empty && journal->end <= first)
        return first - journal->end > size;
    if (journal->room - journal->end >= size)
        return true;
    *at_out = 0;
    return is_empty ? journal->room >= size : first > size;
}

void
event_journal_add(struct event_journal *journal,
                  const struct event_frames *frames)
{
    const struct head head = {.payload_size = (uint32_t)frames->payload.size,
                              .topic_size = (uint32_t)frames->topic.size};
    size_t size = sizeof(head) + frames->topic.size + frames->payload.size, at;
    uint8_t *into;

    if (journal->next - journal->oldest == journal->place_count)
        journal->oldest++;
    while (!find_room(journal, size, &at)) {
        if (journal->oldest == journal->next) {
            journal->next++;
            empty(journal);
            return;
        }
        journal->oldest++;
    }
    into = journal->bytes + at;
    memcpy(into, &head, sizeof(head));
    if (head.topic_size != 0)
        memcpy(into + sizeof(head), frames->topic.at, head.topic_size);
    memcpy(into + sizeof(head) + head.topic_size, frames->payload.at,
           head.payload_size);
    *place_of(journal, journal->next++) = at;
    journal->end = at + size;
}

void
event_journal_skip(struct event_journal *journal)
{
    journal->next++;
    empty(journal);
}

bool
event_journal_find(const struct event_journal *journal, uint64_t sequence,
                   struct event_frames *out)
{
    const uint8_t *at;
    struct head head;

    if (sequence < journal->oldest || sequence >= journal->next)
        return false;
    at = journal->bytes + *place_of(journal, sequence);
    memcpy(&head, at, sizeof(head));
    at += sizeof(head);
    out->topic = (struct bytes){at, head.topic_size};
    out->payload = (struct bytes){at + head.topic_size, head.payload_size};
    return true;
}

size_t
event_journal_used(const struct event_journal *journal)
{
    size_t first = *place_of(journal, journal->oldest);

    if (journal->oldest == journal->next)
        return 0;
    return journal->end > first ? journal->end - first
                                : journal->room - first + journal->end;
}
