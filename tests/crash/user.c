/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and connections of a user, and what it can ask for. */
#include "tests/crash/user.h"

#include "base/clock.h"
#include "tools/bench/random.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 30000u
#define NOT_THERE  UINT32_MAX
#define FLIP_EVERY 40u /* SABOTAGE_BYTES */

static void *
memory(void *old, size_t size)
{
    void *made = realloc(old, size);

    if (made == NULL)
        abort();
    return made;
}

void
user_open(struct user *user, struct run *run, unsigned index)
{
    memset(user, 0, sizeof(*user));
    user->run = run;
    user->index = index;
    user->random = random_mix(run->settings.seed + index);
    user->out = memory(NULL, VALUE_MOST);
    user->in = memory(NULL, VALUE_MOST);
}

void
user_close(struct user *user)
{
    for (unsigned i = 0; i < user->key_count; i++)
        key_close(&user->keys[i]);
    free(user->keys);
    free(user->present);
    free(user->out);
    free(user->in);
}

uint32_t
user_number(const struct user *user, unsigned index)
{
    return index * user->run->settings.users + user->index;
}

struct key *
user_key(const struct run *run, uint32_t number)
{
    const struct user *user = &run->users[number % run->settings.users];
    uint32_t index = number / run->settings.users;

    return index < user->key_count ? &user->keys[index] : NULL;
}

unsigned
user_add_key(struct user *user)
{
    if (user->key_count == user->key_room) {
        user->key_room = user->key_room == 0 ? 64 : 2 * user->key_room;
        user->keys = memory(user->keys, user->key_room * sizeof(*user->keys));
        user->present =
            memory(user->present, user->key_room * sizeof(*user->present));
    }
    key_open(&user->keys[user->key_count]);
    user->keys[user->key_count].place = NOT_THERE;
    return user->key_count++;
}

void
user_note_present(struct user *user, unsigned index)
{
    struct key *key = &user->keys[index];
    bool is_present = key_version(key) != MODEL_MISS;

    if (is_present == (key->place != NOT_THERE))
        return;
    if (is_present) {
        key->place = user->present_count;
        user->present[user->present_count++] = index;
        return;
    }
    unsigned last = user->present[--user->present_count];
    user->present[key->place] = last;
    user->keys[last].place = key->place;
    key->place = NOT_THERE;
}

/* --- Connections. --- */

static bool
connect_one(struct user *user, const struct wire_url *url, struct wire **out)
{
    char why[256];

    if (wire_open(url, TIMEOUT_MS, out, why, sizeof(why)) == STATUS_OK)
        return true;
    if (!atomic_load(&user->run->is_killed))
        run_complain(user->run, "no connection: %s", why);
    return false;
}

bool
user_connect(struct user *user)
{
    user->lm = user->redis = NULL;
    return connect_one(user, &user->run->lm, &user->lm) &&
           connect_one(user, &user->run->redis, &user->redis);
}

void
user_disconnect(struct user *user)
{
    wire_close(&user->lm);
    wire_close(&user->redis);
}

/* An answer that may not be: the server lives and does not do as asked. */
static enum status
check(struct user *user, const struct wire *wire, const char *what,
      enum status status)
{
    if (status == STATUS_OK || status == STATUS_MISS)
        return status;
    if (status == STATUS_BAD_REQUEST || status == STATUS_TOO_BIG ||
        !atomic_load(&user->run->is_killed))
        run_complain(user->run, "%s failed, %s: %s", what, status_text(status),
                     wire_why(wire));
    return status == STATUS_BAD_REQUEST ? STATUS_BROKEN : status;
}

/* --- GET. --- */

static void
complain_bytes(struct user *user, unsigned index, const char *why, size_t size)
{
    user->tally.wrong++;
    run_complain(user->run, "WRONG BYTES: key %08x, %zu bytes: %s",
                 user_number(user, index), size, why);
}

static void
sabotage(struct user *user, size_t size)
{
    if (user->run->settings.sabotage == SABOTAGE_BYTES && size != 0 &&
        random_below(&user->random, FLIP_EVERY) == 0)
        user->in[random_below(&user->random, size)] ^=
            (uint8_t)(1u << random_below(&user->random, 8));
}

/* meta: what came beside it, NULL: nothing. */
static uint32_t
read_version(struct user *user, unsigned index, size_t size,
             const struct chunk_meta *meta)
{
    uint32_t number = user_number(user, index), version = MODEL_MISS;
    struct chunk_meta right;
    const char *why;

    sabotage(user, size);
    why = value_check(&user->run->values, number,
                      (struct bytes){user->in, size}, &version);
    user->tally.got_bytes += size;
    if (why == NULL && meta != NULL) {
        value_meta(&user->run->values, number, version, &right);
        if (meta->size != right.size ||
            memcmp(meta->bytes, right.bytes, right.size) != 0)
            why = "its metadata is not that of its version";
    }
    if (why == NULL)
        return version;
    complain_bytes(user, index, why, size);
    return MODEL_MISS;
}

static enum status
get_lm(struct user *user, unsigned index, struct finding *found)
{
    struct iovec into = {user->in, VALUE_MOST};
    struct chunk_meta meta;
    char room[NAME_ROOM];
    size_t size = 0;
    struct bytes name = value_name(user_number(user, index), "", room);
    enum status status = check(user, user->lm, "GET over lm://",
                               wire_get(user->lm, name, into, &size, &meta));

    if (status == STATUS_OK)
        found->version = read_version(user, index, size, &meta);
    return status;
}

static enum status
get_redis(struct user *user, unsigned index, const char *half,
          const struct chunk_meta *meta, struct finding *found)
{
    struct iovec into = {user->in, VALUE_MOST};
    char room[NAME_ROOM];
    size_t size = 0;
    struct bytes name = value_name(user_number(user, index), half, room);
    enum status status = check(user, user->redis, "GET",
                               wire_get(user->redis, name, into, &size, NULL));

    if (status == STATUS_OK)
        found->version = read_version(user, index, size, meta);
    return status;
}

/* As clients do: first the metadata.  It may be missing beside its bytes, for
 * it is SET after them; but if there is any it is theirs. */
static enum status
get_pair(struct user *user, unsigned index, struct finding *found)
{
    struct chunk_meta meta = {.size = CHUNK_META_LM};
    struct iovec into = {meta.bytes, sizeof(meta.bytes)};
    char room[NAME_ROOM];
    size_t size = 0;
    struct bytes name = value_name(user_number(user, index), "metadata", room);
    enum status status = check(user, user->redis, "GET of metadata",
                               wire_get(user->redis, name, into, &size, NULL));

    if (status != STATUS_OK && status != STATUS_MISS)
        return status;
    meta.size = (uint8_t)size;
    found->is_whole = status == STATUS_OK;
    return get_redis(user, index, "kv_bytes",
                     status == STATUS_OK ? &meta : NULL, found);
}

enum status
user_get(struct user *user, unsigned index, bool any_wire,
         struct finding *found)
{
    bool is_other = any_wire && random_below(&user->random, 4) == 0;

    user->tally.gets++;
    *found = (struct finding){
        .version = MODEL_MISS, .is_whole = true, .is_sure = true};
    switch (value_kind(user_number(user, index))) {
    case VALUE_OBJECT:
        return is_other ? get_redis(user, index, "", NULL, found)
                        : get_lm(user, index, found);
    case VALUE_PLAIN:
        return get_redis(user, index, "", NULL, found);
    case VALUE_PAIR:
        return is_other ? get_lm(user, index, found)
                        : get_pair(user, index, found);
    }
    return STATUS_BAD_REQUEST;
}

/* --- PUT. --- */

/* There is no answer to a PUT over lm://; that to the next request comes after
 * it was taken. */
static enum status
put_lm(struct user *user, unsigned index, struct bytes body, uint32_t version)
{
    char room[NAME_ROOM];
    uint32_t number = user_number(user, index);
    struct bytes name = value_name(number, "", room);
    struct chunk_meta meta;
    enum status status;

    value_meta(&user->run->values, number, version, &meta);
    status = check(user, user->lm, "PUT over lm://",
                   wire_put(user->lm, name, body, &meta));
    if (status != STATUS_OK)
        return status;
    if (random_below(&user->random, 2) == 0)
        return check(user, user->lm, "HEALTH", wire_ping(user->lm));
    status = check(user, user->lm, "EXIST", wire_exists(user->lm, name));
    return status == STATUS_MISS ? STATUS_OK : status;
}

static enum status
put_redis(struct user *user, unsigned index, const char *half,
          struct bytes body)
{
    char room[NAME_ROOM];
    struct bytes name = value_name(user_number(user, index), half, room);

    return check(user, user->redis, "SET",
                 wire_put(user->redis, name, body, NULL));
}

static enum status
put_pair(struct user *user, unsigned index, struct bytes body, uint32_t version)
{
    struct chunk_meta meta;
    enum status status = put_redis(user, index, "kv_bytes", body);

    if (status != STATUS_OK)
        return status;
    value_meta(&user->run->values, user_number(user, index), version, &meta);
    return put_redis(user, index, "metadata",
                     (struct bytes){meta.bytes, meta.size});
}

enum status
user_put(struct user *user, unsigned index)
{
    struct key *key = &user->keys[index];
    uint32_t number = user_number(user, index), version = key->newest + 1;
    struct bytes body = {
        user->out, value_write(&user->run->values, number, version, user->out)};
    bool is_there = key_version(key) != MODEL_MISS;
    enum status status = STATUS_BAD_REQUEST;

    key_begin(key, version, clock_now_ns(),
              atomic_load(&user->run->life.position));
    switch (value_kind(number)) {
    case VALUE_OBJECT:
        status = put_lm(user, index, body, version);
        break;
    case VALUE_PLAIN:
        status = put_redis(user, index, "", body);
        break;
    case VALUE_PAIR:
        status = put_pair(user, index, body, version);
        break;
    }
    if (status != STATUS_OK)
        return status;
    key_done(key, clock_now_ns());
    user_note_present(user, index);
    *(is_there ? &user->tally.overwrites : &user->tally.puts) += 1;
    user->tally.put_bytes += body.size;
    return STATUS_OK;
}

/* --- DEL, EXISTS. --- */

static enum status
drop_name(struct user *user, unsigned index, const char *half)
{
    char room[NAME_ROOM];
    struct bytes name = value_name(user_number(user, index), half, room);

    return check(user, user->redis, "DEL", wire_drop(user->redis, name));
}

enum status
user_drop(struct user *user, unsigned index)
{
    struct key *key = &user->keys[index];
    bool is_pair = value_kind(user_number(user, index)) == VALUE_PAIR;
    enum status status = STATUS_MISS;

    key_begin(key, MODEL_MISS, clock_now_ns(),
              atomic_load(&user->run->life.position));
    /* Either half takes the other one along, if it is there. */
    if (is_pair && random_below(&user->random, 2) == 0)
        status = drop_name(user, index, "metadata");
    if (status == STATUS_MISS)
        status = drop_name(user, index, is_pair ? "kv_bytes" : "");
    if (status != STATUS_OK && status != STATUS_MISS)
        return status;
    key_done(key, clock_now_ns());
    user_note_present(user, index);
    user->tally.deletes++;
    return STATUS_OK;
}

enum status
user_exists(struct user *user, unsigned index)
{
    uint32_t number = user_number(user, index);
    char room[NAME_ROOM];
    struct bytes name = value_name(
        number, value_kind(number) == VALUE_PAIR ? "kv_bytes" : "", room);

    return check(user, user->redis, "EXISTS", wire_exists(user->redis, name));
}
