# SPDX-License-Identifier: Apache-2.0
# What people run: prefixcache-cli, prefixcache-bench, prefixcache-fsck.

bin_PROGRAMS += prefixcache-cli prefixcache-bench prefixcache-fsck

prefixcache_cli_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
prefixcache_cli_SOURCES = \
	tools/cli/command.c \
	tools/cli/main.c \
	tools/cli/output.c \
	tools/cli/value.c \
	tools/cli/verb.c \
	tools/cli/verb_keys.c \
	tools/cli/verb_server.c \
	tools/cli/verb_value.c
prefixcache_cli_LDADD = $(client_libs) $(base_libs) $(proto_libs) $(JANSSON_LIBS)

# A library, so that unit tests reach its parts.
noinst_LIBRARIES += libbench.a
libbench_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(URING_CFLAGS)
libbench_a_SOURCES = \
	tools/bench/ceiling_command.c \
	tools/bench/ceiling_connection.c \
	tools/bench/ceiling_server.c \
	tools/bench/disk.c \
	tools/bench/disk_command.c \
	tools/bench/disk_file.c \
	tools/bench/disk_report.c \
	tools/bench/generate_command.c \
	tools/bench/generator.c \
	tools/bench/histogram.c \
	tools/bench/load.c \
	tools/bench/load_command.c \
	tools/bench/load_options.c \
	tools/bench/load_tier.c \
	tools/bench/load_value.c \
	tools/bench/lookup.c \
	tools/bench/lookup_command.c \
	tools/bench/plot.c \
	tools/bench/probe.c \
	tools/bench/process_cpu.c \
	tools/bench/progress.c \
	tools/bench/quantity.c \
	tools/bench/replay.c \
	tools/bench/replay_block.c \
	tools/bench/replay_client.c \
	tools/bench/replay_command.c \
	tools/bench/replay_report.c \
	tools/bench/replay_score.c \
	tools/bench/report.c \
	tools/bench/simulate.c \
	tools/bench/simulate_command.c \
	tools/bench/simulate_curve.c \
	tools/bench/simulate_dram.c \
	tools/bench/simulate_optimum.c \
	tools/bench/simulate_report.c \
	tools/bench/simulate_tiers.c \
	tools/bench/trace.c
bench_libs = libbench.a $(client_libs) $(storage_libs) $(base_libs) $(proto_libs) $(JANSSON_LIBS) -lm

prefixcache_bench_SOURCES = \
	tools/bench/main.c
prefixcache_bench_LDADD = $(bench_libs)

prefixcache_fsck_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
prefixcache_fsck_SOURCES = \
	tools/fsck/census.c \
	tools/fsck/check.c \
	tools/fsck/device.c \
	tools/fsck/listing.c \
	tools/fsck/main.c \
	tools/fsck/report.c \
	tools/fsck/segment.c
prefixcache_fsck_LDADD = $(bench_libs)

dist_man_MANS += \
	tools/cli/prefixcache-cli.1

dist_man_MANS += \
	tools/bench/prefixcache-bench.1

dist_man_MANS += \
	tools/fsck/prefixcache-fsck.8
