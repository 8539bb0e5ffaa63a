/* SPDX-License-Identifier: Apache-2.0 */
/* How an endpoint of ZeroMQ's is spelled, and which are open to others. */
#include "tests/unit/options_checks.h"

TestSuite(options_endpoint, .init = begin);

static void
is_taken(const char *endpoint)
{
    char pair[OPTION_TEXT_MAX];

    snprintf(pair, sizeof(pair), "events.listen=%s", endpoint);
    takes(pair);
    cr_expect_str_eq(options.events_listen, endpoint);
}

Test(options_endpoint, is_tcp_or_ipc_or_nothing)
{
    static const char *const taken[] = {"tcp://127.0.0.1:5557",
                                        "tcp://127.0.0.1:0",
                                        "tcp://127.0.0.1:*",
                                        "tcp://[::1]:5557",
                                        "tcp://*:5557",
                                        "tcp://*:*",
                                        "tcp://localhost:1",
                                        "ipc:///run/x",
                                        "ipc://x",
                                        ""};

    for (unsigned i = 0; i < sizeof(taken) / sizeof(*taken); i++)
        is_taken(taken[i]);
}

Test(options_endpoint, is_refused_when_misspelled)
{
    static const char *const refused[] = {"5557",
                                          "127.0.0.1:5557",
                                          "tcp://127.0.0.1",
                                          "tcp://:5557",
                                          "tcp://127.0.0.1:70000",
                                          "tcp://127.0.0.1:**",
                                          "tcp://*",
                                          "tcp://**:1",
                                          "tcp://300.0.0.1:1",
                                          "ipc://",
                                          "inproc://x",
                                          "udp://127.0.0.1:1",
                                          "TCP://*:1",
                                          "tcp://[::1:1",
                                          "tcp://a b:1",
                                          "tcp://1.2.3:1",
                                          "tcp://*:x"};

    for (unsigned i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        char pair[OPTION_TEXT_MAX];

        snprintf(pair, sizeof(pair), "events.replay=%s", refused[i]);
        cr_assert(option_set_pair(&options, pair, "--set", &problem) ==
                      STATUS_BAD_REQUEST,
                  "taken: %s", pair);
        says("--set: ", "events.replay", "expected tcp://host:port");
    }
}

Test(options_endpoint, beyond_loopback_must_be_asked_for)
{
    static const char *const open[] = {"tcp://*:5557", "tcp://0.0.0.0:1",
                                       "tcp://[::]:1", "tcp://10.0.0.1:*"};
    static const char *const closed[] = {"tcp://127.0.0.1:1", "tcp://[::1]:*",
                                         "tcp://localhost:0", "ipc:///tmp/x"};

    for (unsigned i = 0; i < 4; i++) {
        is_taken(open[i]);
        cr_expect(options_finish(&options, &problem) == STATUS_BAD_REQUEST);
        says("events.listen", open[i] + strlen("tcp://"), "security.insecure");
        is_taken(closed[i]);
        cr_expect(options_finish(&options, &problem) == STATUS_OK, "%s",
                  problem.text);
    }
    takes("security.insecure=true");
    is_taken(open[0]);
    cr_expect(options_finish(&options, &problem) == STATUS_OK);
}
