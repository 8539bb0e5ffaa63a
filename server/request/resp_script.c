/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EVALSHA, EVAL, SCRIPT: the two scripts of the llm-d router, by their SHA-1.
 * There is no engine for any other.  Both delete a key of the index only where
 * nothing stands under others, which has to be one act:
 *
 *   prune a request   if hash KEYS[1] is empty, delete it: 1, else 0
 *   prune an engine   if any hash of KEYS[2 ...] has fields: 0; else delete
 *                     KEYS[1]: 1
 */
#include "server/request/answer.h"
#include "server/request/digest.h"
#include "server/request/resp_catalog.h"
#include "server/request/resp_request.h"
#include "server/server.h"

#include <string.h>

struct script {
    const char *sha1;
    bool is_of_engine; /* the first key is not among those that are looked at */
    /* Lines of its text, as Redis's errors name them: that looks at a key, that
     * deletes one. */
    unsigned look_line, drop_line;
};

static const struct script scripts[] = {
    {"5fe1918cd9f14ea60dc41ffade94683bd8e522af", false, 2, 4},
    {"8ca33a56678aac75b55d3b36907c43b67947d809", true, 3, 7},
};

static const char no_script[] = "NOSCRIPT No matching script. Please use EVAL.";
static const char no_engine[] =
    "ERR only the two scripts of the llm-d router are run here, by their "
    "SHA-1; there is no engine for others";

static const struct script *
find(const struct bytes *sha1)
{
    for (unsigned i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        if (argument_is(sha1, scripts[i].sha1))
            return &scripts[i];
    return NULL;
}

static const struct script *
find_text(const struct bytes *text)
{
    char digest[DIGEST_TEXT];
    struct bytes sha1 = {(const uint8_t *)digest, DIGEST_TEXT - 1};

    return digest_sha1(text, digest) == STATUS_OK ? find(&sha1) : NULL;
}

/* The keys that a script looks at. */
struct keys {
    struct connection *connection;
    struct argument_walk all, walk;
};

static bool
next_key(void *arg, struct catalog_key *out)
{
    struct keys *keys = arg;
    struct bytes name;

    while (argument_next(&keys->walk, &name))
        if (resp_catalog_key(keys->connection, &name, out))
            return true;
    keys->walk = keys->all;
    return false;
}

static enum run
answer_failed(struct connection *connection, const struct script *script,
              const char *why, unsigned line)
{
    return answer_error(connection, "%s script: %s, on @user_script:%u.", why,
                        script->sha1, line);
}

static enum run
run_script(struct connection *connection, const struct script *script,
           struct argument_walk arguments)
{
    struct keys keys = {connection, arguments, arguments};
    struct catalog_others others = {next_key, &keys};
    struct catalog_key key;
    struct bytes name;
    bool has_key;

    if (!argument_next(&arguments, &name))
        return answer_failed(connection, script,
                             "ERR Lua redis lib command arguments must be "
                             "strings or integers",
                             script->is_of_engine ? script->drop_line
                                                  : script->look_line);
    if (script->is_of_engine)
        keys.all = keys.walk = arguments;
    else
        keys.all.left = keys.walk.left = 1;
    has_key = resp_catalog_key(connection, &name, &key);
    switch (catalog_prune(connection->server->catalog, has_key ? &key : NULL,
                          &others)) {
    case STATUS_UNMET:
        return answer_integer(connection, 0);
    case STATUS_BAD_REQUEST:
        return answer_failed(connection, script,
                             "WRONGTYPE Operation against a key holding the "
                             "wrong kind of value",
                             script->look_line);
    default:
        return answer_integer(connection, 1);
    }
}

enum run
resp_eval(struct connection *connection, struct resp_call *call)
{
    bool is_text = call->command->id == RESP_COMMAND_EVAL;
    const struct script *script;
    struct bytes which, number;
    int64_t keys;

    if (!argument_next(&call->arguments, &which) ||
        !argument_next(&call->arguments, &number))
        return answer_syntax(connection);
    if (!is_text && which.size != DIGEST_TEXT - 1)
        return answer_error(connection, "%s", no_script);
    if (!argument_integer(&number, &keys))
        return answer_not_integer(connection);
    if (keys > (int64_t)call->count - 2)
        return answer_error(connection, "ERR Number of keys can't be greater "
                                        "than number of args");
    if (keys < 0)
        return answer_error(connection, "ERR Number of keys can't be negative");
    script = is_text ? find_text(&which) : find(&which);
    if (script == NULL)
        return answer_error(connection, "%s", is_text ? no_engine : no_script);
    call->arguments.left = (uint32_t)keys;
    return run_script(connection, script, call->arguments);
}

static enum run
answer_known(struct connection *connection, struct resp_call *call)
{
    struct cursor out;
    struct bytes sha1;

    if (call->count < 2)
        return answer_arity(connection, "script|exists");
    if (request_text(connection, 32 + 8 * (size_t)call->count, &out) !=
        STATUS_OK)
        return RUN_CLOSE;
    (void)resp_array(&out, call->count - 1);
    while (argument_next(&call->arguments, &sha1))
        (void)resp_integer(&out, find(&sha1) != NULL);
    request_text_done(connection, &out);
    return RUN_DONE;
}

enum run
resp_script(struct connection *connection, struct resp_call *call)
{
    const struct script *script;
    struct bytes word, text;

    if (!argument_next(&call->arguments, &word))
        return answer_syntax(connection);
    if (argument_is(&word, "EXISTS"))
        return answer_known(connection, call);
    if (!argument_is(&word, "LOAD"))
        return answer_error(connection,
                            "ERR unknown subcommand '%.*s'. Try SCRIPT HELP.",
                            answer_shown(&word), (const char *)word.at);
    if (call->count != 2 || !argument_next(&call->arguments, &text))
        return answer_arity(connection, "script|load");
    script = find_text(&text);
    if (script == NULL)
        return answer_error(connection, "%s", no_engine);
    return answer_bulk(connection, script->sha1, strlen(script->sha1));
}
