# SPDX-License-Identifier: Apache-2.0
# What `make check` runs.  A test of a kind that is here already is one line in
# its list; tools/dev/check-sources finds those that are forgotten.

# Criterion programs: one room, or one interface over all that implement it.
unit_programs = \
	tests/unit/test_bench_disk \
	tests/unit/test_bench_generator \
	tests/unit/test_bench_histogram \
	tests/unit/test_bench_plot \
	tests/unit/test_bench_policies \
	tests/unit/test_bench_simulate \
	tests/unit/test_bench_trace \
	tests/unit/test_bench_values \
	tests/unit/test_cache_options \
	tests/unit/test_cache_url \
	tests/unit/test_catalog \
	tests/unit/test_catalog_space \
	tests/unit/test_chunk \
	tests/unit/test_crash_model \
	tests/unit/test_deadlines \
	tests/unit/test_doctor_rules \
	tests/unit/test_doctor_shape \
	tests/unit/test_extent \
	tests/unit/test_facts \
	tests/unit/test_ghost \
	tests/unit/test_glob \
	tests/unit/test_index \
	tests/unit/test_index_policy \
	tests/unit/test_labels \
	tests/unit/test_late_gets \
	tests/unit/test_late_limits \
	tests/unit/test_late_rates \
	tests/unit/test_lease \
	tests/unit/test_log \
	tests/unit/test_mover \
	tests/unit/test_native \
	tests/unit/test_native_examples \
	tests/unit/test_native_gets \
	tests/unit/test_native_list \
	tests/unit/test_nvme_damage \
	tests/unit/test_nvme_format \
	tests/unit/test_nvme_health \
	tests/unit/test_nvme_item \
	tests/unit/test_nvme_open \
	tests/unit/test_nvme_recovery \
	tests/unit/test_nvme_scan \
	tests/unit/test_nvme_segments \
	tests/unit/test_nvme_tier \
	tests/unit/test_nvme_walk \
	tests/unit/test_options \
	tests/unit/test_options_endpoint \
	tests/unit/test_options_finish \
	tests/unit/test_options_sources \
	tests/unit/test_placement \
	tests/unit/test_policy \
	tests/unit/test_policy_adaptive \
	tests/unit/test_policy_curve \
	tests/unit/test_policy_ghost \
	tests/unit/test_policy_lower \
	tests/unit/test_policy_run \
	tests/unit/test_policy_s3fifo \
	tests/unit/test_pool \
	tests/unit/test_port \
	tests/unit/test_port_posts \
	tests/unit/test_prefix \
	tests/unit/test_prefix_tiers \
	tests/unit/test_prefix_turns \
	tests/unit/test_proto_lm \
	tests/unit/test_proto_object_name \
	tests/unit/test_proto_resp \
	tests/unit/test_proto_resp_words \
	tests/unit/test_question \
	tests/unit/test_rates \
	tests/unit/test_saver \
	tests/unit/test_slot \
	tests/unit/test_speed \
	tests/unit/test_store_event \
	tests/unit/test_store_evict \
	tests/unit/test_store_halves \
	tests/unit/test_store_names \
	tests/unit/test_store_ahead \
	tests/unit/test_store_nvme \
	tests/unit/test_store_put \
	tests/unit/test_store_spill \
	tests/unit/test_template \
	tests/unit/test_top_figures \
	tests/unit/test_top_page \
	tests/unit/test_watch \
	tests/unit/test_wire_url
if HAVE_SPILL
unit_programs += \
	tests/unit/test_spill_damage \
	tests/unit/test_spill_head \
	tests/unit/test_spill_health \
	tests/unit/test_spill_recovery \
	tests/unit/test_spill_space \
	tests/unit/test_spill_tier
endif
if HAVE_EVENTS
unit_programs += \
	tests/unit/test_event_block \
	tests/unit/test_event_journal \
	tests/unit/test_event_message \
	tests/unit/test_event_queue \
	tests/unit/test_event_replay
endif

conformance_programs = \
	tests/conformance/test_tiers \
	tests/conformance/test_wires

# Plain programs with threads, for ThreadSanitizer.
race_programs = \
	tests/race/race_catalog \
	tests/race/race_counters \
	tests/race/race_curve \
	tests/race/race_nvme \
	tests/race/race_policy \
	tests/race/race_pool \
	tests/race/race_port \
	tests/race/race_rates \
	tests/race/race_prefix \
	tests/race/race_store
if HAVE_SPILL
race_programs += tests/race/race_spill
endif
if HAVE_EVENTS
race_programs += tests/race/race_events
endif

# LLVMFuzzerTestOneInput() each.  Without --enable-fuzz they replay
# tests/fuzz/corpus/NAME.
fuzz_programs = \
	tests/fuzz/fuzz_cache_url \
	tests/fuzz/fuzz_dump \
	tests/fuzz/fuzz_lm \
	tests/fuzz/fuzz_native \
	tests/fuzz/fuzz_nvme \
	tests/fuzz/fuzz_nvme_segment \
	tests/fuzz/fuzz_options \
	tests/fuzz/fuzz_question \
	tests/fuzz/fuzz_resp \
	tests/fuzz/fuzz_session \
	tests/fuzz/fuzz_snapshot
if HAVE_SPILL
fuzz_programs += tests/fuzz/fuzz_spill
endif
if HAVE_EVENTS
fuzz_programs += tests/fuzz/fuzz_events
endif

# The real programs, from outside.  Exit status 77 is a skip.
scenario_tests = \
	tests/scenario/as_redis.py \
	tests/scenario/bench_disk.py \
	tests/scenario/bench_load.py \
	tests/scenario/bench_lookup.py \
	tests/scenario/bench_native.py \
	tests/scenario/bench_simulate.py \
	tests/scenario/cli.py \
	tests/scenario/cli_completion.py \
	tests/scenario/cli_doctor.py \
	tests/scenario/cli_dump.py \
	tests/scenario/cli_dump_damage.py \
	tests/scenario/cli_native.py \
	tests/scenario/cli_servers.py \
	tests/scenario/cli_top.py \
	tests/scenario/cluster.py \
	tests/scenario/config.py \
	tests/scenario/connections.py \
	tests/scenario/counters.py \
	tests/scenario/crash.py \
	tests/scenario/cross_wire.py \
	tests/scenario/events.py \
	tests/scenario/events_load.py \
	tests/scenario/fairness.py \
	tests/scenario/fsck.py \
	tests/scenario/halves.py \
	tests/scenario/http_port.py \
	tests/scenario/leases.py \
	tests/scenario/library.py \
	tests/scenario/library_hostile.py \
	tests/scenario/library_install.sh \
	tests/scenario/library_late.py \
	tests/scenario/library_straits.py \
	tests/scenario/lifecycle.py \
	tests/scenario/limits.py \
	tests/scenario/lm.py \
	tests/scenario/lmcache_plugin.py \
	tests/scenario/native.py \
	tests/scenario/native_limits.py \
	tests/scenario/native_slow.py \
	tests/scenario/native_tiers.py \
	tests/scenario/nvme.py \
	tests/scenario/nvme_space.py \
	tests/scenario/nvme_start.py \
	tests/scenario/policies.py \
	tests/scenario/prefix.py \
	tests/scenario/prefix_http.py \
	tests/scenario/python_client.py \
	tests/scenario/python_servers.py \
	tests/scenario/rates.py \
	tests/scenario/redis_clients.py \
	tests/scenario/redis_tools.sh \
	tests/scenario/resp.py \
	tests/scenario/review.py \
	tests/scenario/router_index.py \
	tests/scenario/sick_device.py \
	tests/scenario/slow_device.py \
	tests/scenario/status_page.py \
	tests/scenario/transcripts.py

if HAVE_SPILL
scenario_tests += \
	tests/scenario/bench_spill.py \
	tests/scenario/crash_spill.py \
	tests/scenario/native_spill.py \
	tests/scenario/spill.py \
	tests/scenario/spill_faults.py \
	tests/scenario/spill_full.py \
	tests/scenario/spill_gone.py \
	tests/scenario/spill_lost.py \
	tests/scenario/spill_space.py \
	tests/scenario/spill_shown.py \
	tests/scenario/spill_start.py
endif

# Those that measure time or memory, which a sanitizer makes meaningless.
strict_scenario_tests = \
	tests/scenario/memory.py

# What tests run under, no tests themselves.
tool_programs = \
	tests/crash/crash \
	tests/lib/library_client \
	tests/lib/make_nvme_image \
	tests/lib/without_uring

# How they are built.  All take the same flags and libraries; which main() they
# get depends on their kind, by variables of their targets.
check_LIBRARIES += libreplay.a
libreplay_a_SOURCES = tests/fuzz/replay_main.c
if FUZZ
fuzz_main = $(FUZZ_LDFLAGS)
else
fuzz_main = libreplay.a
endif
if HAVE_CRITERION
criterion_programs = $(unit_programs) $(conformance_programs)
endif
AM_CPPFLAGS += $(CRITERION_CFLAGS) $(EVENTS_CFLAGS)
test_programs = $(criterion_programs) $(race_programs) $(fuzz_programs)
check_PROGRAMS += $(test_programs) $(tool_programs)
# A store that answers late stands before the real one (tests/lib/late_store.h).
late_ldflags = $(AM_LDFLAGS) -Wl,--wrap=store_get_start,--wrap=store_get_cancel,--wrap=store_flush_start,--wrap=store_flush_cancel,--wrap=store_look,--wrap=store_port_submit
tests_unit_test_late_gets_LDFLAGS = $(late_ldflags)
tests_unit_test_late_limits_LDFLAGS = $(late_ldflags)
tests_unit_test_late_rates_LDFLAGS = $(late_ldflags)
tests_unit_test_native_gets_LDFLAGS = $(late_ldflags)
# The crash loop; a library, so that a unit test reaches its rules.
check_LIBRARIES += libcrash.a
libcrash_a_SOURCES = \
	tests/crash/console.c \
	tests/crash/cycle.c \
	tests/crash/device.c \
	tests/crash/model.c \
	tests/crash/report.c \
	tests/crash/server.c \
	tests/crash/settings.c \
	tests/crash/tally.c \
	tests/crash/user.c \
	tests/crash/user_load.c \
	tests/crash/user_verify.c \
	tests/crash/value.c
tests_lib_library_client_LDADD = $(cache_libs)
tests_crash_crash_SOURCES = tests/crash/main.c
tests_crash_crash_LDADD = libcrash.a $(LDADD)
tests_unit_test_crash_model_LDADD = libcrash.a $(LDADD)
tests_fuzz_fuzz_dump_LDADD = libcli.a $(LDADD)
tests_unit_test_doctor_rules_LDADD = libcli.a $(LDADD)
tests_unit_test_doctor_shape_LDADD = libcli.a $(LDADD)
tests_unit_test_facts_LDADD = libcli.a $(LDADD)
tests_unit_test_top_figures_LDADD = libcli.a $(LDADD)
tests_unit_test_top_page_LDADD = libcli.a $(LDADD)
LDADD = $(test_main) $(bench_libs) $(cache_libs) $(server_libs)
$(criterion_programs): test_main = $(CRITERION_LIBS)
$(fuzz_programs): test_main = $(fuzz_main)
$(fuzz_programs): libreplay.a

# How they are run: tests/lib/run makes TAP of each.
scripts = $(scenario_tests) $(strict_scenario_tests)
TESTS += $(test_programs) $(scripts)
TEST_EXTENSIONS = .py .sh
tap_driver = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
run_test = $(top_srcdir)/tests/lib/run
LOG_DRIVER = $(tap_driver)
PY_LOG_DRIVER = $(tap_driver)
SH_LOG_DRIVER = $(tap_driver)
LOG_COMPILER = $(run_test)
PY_LOG_COMPILER = $(run_test)
SH_LOG_COMPILER = $(run_test)

tests_environment = \
	PREFIXCACHED='$(abs_builddir)/prefixcached' \
	PREFIXCACHE_CLI='$(abs_builddir)/prefixcache-cli' \
	PREFIXCACHE_BENCH='$(abs_builddir)/prefixcache-bench' \
	PREFIXCACHE_FSCK='$(abs_builddir)/prefixcache-fsck' \
	PREFIXCACHE_LIBRARY='$(abs_builddir)/libprefixcache.so.0' \
	PREFIXCACHE_LIBRARY_CLIENT='$(abs_builddir)/tests/lib/library_client' \
	PREFIXCACHE_MAKE_IMAGE='$(abs_builddir)/tests/lib/make_nvme_image' \
	PREFIXCACHE_CRASH='$(abs_builddir)/tests/crash/crash' \
	PREFIXCACHE_SOURCE='$(abs_top_srcdir)' \
	PREFIXCACHE_OUTPUT='$(abs_builddir)/tests/scenario' \
	PREFIXCACHE_WITHOUT_URING='$(abs_builddir)/tests/lib/without_uring' \
	PREFIXCACHE_SANITIZER='$(SANITIZER)' \
	PYTHONDONTWRITEBYTECODE=1 \
	ASAN_OPTIONS=abort_on_error=1:detect_leaks=1 \
	UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1 \
	TSAN_OPTIONS=halt_on_error=1:abort_on_error=1:second_deadlock_stack=1:suppressions='$(abs_top_srcdir)/tests/lib/tsan.supp'
AM_TESTS_ENVIRONMENT = $(tests_environment) export \
	PREFIXCACHED PREFIXCACHE_CLI PREFIXCACHE_BENCH PREFIXCACHE_FSCK \
	PREFIXCACHE_LIBRARY PREFIXCACHE_LIBRARY_CLIENT PREFIXCACHE_MAKE_IMAGE PREFIXCACHE_CRASH \
	PREFIXCACHE_SOURCE \
	PREFIXCACHE_OUTPUT \
	PREFIXCACHE_WITHOUT_URING PREFIXCACHE_SANITIZER PYTHONDONTWRITEBYTECODE \
	ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS;

# Subsets for sanitizers.
asan_tests = $(criterion_programs) $(race_programs) $(fuzz_programs) $(scenario_tests)
tsan_tests = $(race_programs) $(scenario_tests)

# Many more kills than a check has time for, over each engine that is to be had;
# TIER=spill: with a spill below a small NVMe tier.
CYCLES = 1000
ENGINES = uring threads
TIER = nvme
crash: all tests/crash/crash$(EXEEXT)
	@for engine in $(ENGINES); do \
	    $(tests_environment) tests/crash/crash$(EXEEXT) \
	        --cycles=$(CYCLES) --engine=$$engine --tier=$(TIER) \
	        $(CRASH_FLAGS) \
	        || [ $$? -eq 77 ] || exit 1; \
	done
.PHONY: crash

# Scenarios run the programs, so that those are built first.
check_DATA = $(bin_PROGRAMS) libprefixcache.so.0

# A check without criterion says what it left out.
check-local:
if !HAVE_CRITERION
	@echo "criterion is not used by this build: the unit and conformance tests are NOT run" >&2
endif
