# SPDX-License-Identifier: Apache-2.0
# What people run: prefixcache-cli, prefixcache-bench, prefixcache-fsck.

bin_PROGRAMS += prefixcache-cli prefixcache-bench prefixcache-fsck

# A library, so that unit tests and fuzz targets reach its parts.
noinst_LIBRARIES += libcli.a
libcli_a_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS) $(NCURSES_CFLAGS)
libcli_a_SOURCES = \
	tools/cli/command.c \
	tools/cli/command_cache.c \
	tools/cli/command_option.c \
	tools/cli/doctor.c \
	tools/cli/doctor_asked.c \
	tools/cli/doctor_case.c \
	tools/cli/doctor_census.c \
	tools/cli/doctor_findings.c \
	tools/cli/doctor_names.c \
	tools/cli/doctor_puts.c \
	tools/cli/doctor_report.c \
	tools/cli/doctor_room.c \
	tools/cli/doctor_shape.c \
	tools/cli/doctor_tiers.c \
	tools/cli/doctor_values.c \
	tools/cli/dump_format.c \
	tools/cli/dump_index.c \
	tools/cli/dump_position.c \
	tools/cli/dump_reader.c \
	tools/cli/dump_writer.c \
	tools/cli/facts.c \
	tools/cli/flight.c \
	tools/cli/getter.c \
	tools/cli/haul.c \
	tools/cli/holdings.c \
	tools/cli/key_list.c \
	tools/cli/output.c \
	tools/cli/putter.c \
	tools/cli/spaces.c \
	tools/cli/top.c \
	tools/cli/top_figures.c \
	tools/cli/top_json.c \
	tools/cli/top_models.c \
	tools/cli/top_page.c \
	tools/cli/top_state.c \
	tools/cli/top_table.c \
	tools/cli/top_text.c \
	tools/cli/value.c \
	tools/cli/verb.c \
	tools/cli/verb_dump.c \
	tools/cli/verb_keys.c \
	tools/cli/verb_lookup.c \
	tools/cli/verb_many.c \
	tools/cli/verb_native.c \
	tools/cli/verb_restore.c \
	tools/cli/verb_server.c \
	tools/cli/verb_value.c \
	tools/cli/verb_verify.c \
	tools/cli/verb_warm.c \
	tools/cli/walker.c
if HAVE_NCURSES
libcli_a_SOURCES += tools/cli/top_screen.c
else
libcli_a_SOURCES += tools/cli/top_screen_none.c
endif
cli_libs = libcli.a $(cache_libs) $(NCURSES_LIBS)

# Where shells look for what completes a command.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = tools/cli/completion/prefixcache-cli
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = tools/cli/completion/_prefixcache-cli

prefixcache_cli_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
prefixcache_cli_SOURCES = tools/cli/main.c
prefixcache_cli_LDADD = $(cli_libs) $(bench_libs)

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
	tools/bench/load_client.c \
	tools/bench/load_command.c \
	tools/bench/load_connection.c \
	tools/bench/load_native.c \
	tools/bench/load_options.c \
	tools/bench/load_tier.c \
	tools/bench/load_url.c \
	tools/bench/load_value.c \
	tools/bench/load_wire.c \
	tools/bench/lookup.c \
	tools/bench/lookup_asker.c \
	tools/bench/lookup_command.c \
	tools/bench/lookup_lm.c \
	tools/bench/lookup_native.c \
	tools/bench/lookup_resp.c \
	tools/bench/native_cache.c \
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
bench_libs = libbench.a libcache.a $(client_libs) $(storage_libs) $(base_libs) $(proto_libs) $(JANSSON_LIBS) -lm

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
