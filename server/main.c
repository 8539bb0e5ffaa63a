/* SPDX-License-Identifier: Apache-2.0 */
/* prefixcached: the command line, the configuration, and a server's life. */
#include "base/log.h"
#include "base/options.h"
#include "server/daemon.h"
#include "server/server.h"

#include <argp.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2 };
enum { FLAG_SET = 1, FLAG_PRINT, FLAG_CHECK };

#define SETS_MAX 256u

struct command_line {
    const char *config; /* --config */
    const char *set[SETS_MAX];
    unsigned set_count;
    bool must_print, must_check;
};

/* SIGHUP reads the same sources again. */
static struct command_line command_line;

const char *argp_program_version = "prefixcached " PACKAGE_VERSION;
static const char about[] =
    "The remote prefix cache for LLM inference: keeps KV-cache chunks and "
    "gives them back over lm://, RESP and its native wire on one port."
    "\vSizes are given as 64MiB, 4Gi or 10G, times as 20ms, 5s or 1h.  All "
    "options: prefixcached.conf(5), or --print-config.";

static const struct argp_option flags[] = {
    {"config", 'c', "FILE", 0, "Read options from this YAML file", 0},
    {"set", FLAG_SET, "SECTION.KEY=VALUE", 0,
     "Set one option; wins over the file and the environment", 0},
    {"print-config", FLAG_PRINT, NULL, 0,
     "Print every option, its value and where it came from, and exit", 0},
    {"check-config", FLAG_CHECK, NULL, 0,
     "Check the configuration and exit: 0 good, 2 bad", 0},
    {0},
};

static error_t
on_flag(int flag, char *argument, struct argp_state *state)
{
    struct command_line *line = state->input;

    switch (flag) {
    case 'c':
        line->config = argument;
        return 0;
    case FLAG_SET:
        if (line->set_count == SETS_MAX)
            argp_error(state, "--set is given more than %u times", SETS_MAX);
        line->set[line->set_count++] = argument;
        return 0;
    case FLAG_PRINT:
        line->must_print = true;
        return 0;
    case FLAG_CHECK:
        line->must_check = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument '%s'", argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* All sources, later ones over earlier ones. */
static enum status
read_options(const struct command_line *line, struct options *options,
             struct option_problem *problem)
{
    enum status status = STATUS_OK;

    options_init(options);
    if (line->config != NULL)
        status = options_read_file(options, line->config, problem);
    if (status == STATUS_OK)
        status = options_read_environment(options, environ, problem);
    for (unsigned i = 0; i < line->set_count && status == STATUS_OK; i++)
        status = option_set_pair(options, line->set[i], "--set", problem);
    if (status == STATUS_OK)
        status = options_finish(options, problem);
    return status;
}

static void
start_log(const struct options *options)
{
    enum log_format format = LOG_JSON;

    /* log.format: auto, logfmt, json */
    if (options->log_format == 1 ||
        (options->log_format == 0 && isatty(STDERR_FILENO)))
        format = LOG_LOGFMT;
    log_setup((enum log_level)options->log_level, format);
}

static void
reload(struct server *server)
{
    struct options *options = malloc(sizeof(*options));
    struct option_problem problem = {"out of memory"};

    if (options == NULL ||
        read_options(&command_line, options, &problem) != STATUS_OK) {
        log_event(LOG_ERROR, "configuration not reloaded", "%s", problem.text);
    } else {
        start_log(options);
        server_reload(server, options);
        log_event(LOG_INFO, "configuration reloaded",
                  "options that need a restart keep their values");
    }
    free(options);
}

static int
serve(const struct options *options)
{
    struct daemon *daemon;
    char why[512] = "out of memory";

    /* Writing to a closed connection is an error to handle, not to die of. */
    signal(SIGPIPE, SIG_IGN);
    /* Few arenas: what little is on the heap should go back to the system. */
    mallopt(M_ARENA_MAX, 2);
    if (daemon_open(options, &daemon, why, sizeof(why)) != STATUS_OK) {
        log_event(LOG_ERROR, "can not start", "%s", why);
        return EXIT_RUNTIME;
    }
    log_event(LOG_INFO, "serving", "data=%s http=%s workers=%u dram_size=%llu",
              daemon->server->data_address, daemon->server->http_address,
              daemon->server->worker_count,
              (unsigned long long)options->dram_size);
    daemon_run(daemon, reload);
    daemon_close(&daemon);
    log_event(LOG_INFO, "stopped", "after a drain");
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    const struct argp parser = {flags, on_flag, NULL, about, NULL, NULL, NULL};
    struct options *options = malloc(sizeof(*options));
    struct option_problem problem;
    int code = EXIT_SUCCESS;

    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&parser, argc, argv, 0, NULL, &command_line);
    if (options == NULL)
        return EXIT_RUNTIME;
    if (read_options(&command_line, options, &problem) != STATUS_OK) {
        fprintf(stderr, "prefixcached: %s\n", problem.text);
        code = EXIT_USAGE;
    } else if (command_line.must_print) {
        options_print(options, stdout);
    } else if (!command_line.must_check) {
        start_log(options);
        code = serve(options);
    }
    free(options);
    return code;
}
