# SPDX-License-Identifier: Apache-2.0
# What every room but proto leans on: options, counters, clock, log.

noinst_LIBRARIES += libbase.a
libbase_a_CPPFLAGS = $(AM_CPPFLAGS) $(YAML_CFLAGS)
libbase_a_SOURCES = \
	base/clock.c \
	base/counters.c \
	base/log.c \
	base/memory_limit.c \
	base/option_value.c \
	base/options.c \
	base/options_environment.c \
	base/options_finish.c \
	base/options_print.c \
	base/options_yaml.c \
	base/thread.c

base_libs = libbase.a $(YAML_LIBS)

# The manual pages that the tables make.
generated_manuals = prefixcached.conf.5 prefixcache-counters.7
nodist_man_MANS += $(generated_manuals)
CLEANFILES += $(generated_manuals)
make_man = $(top_srcdir)/tools/dev/make-man
prefixcached.conf.5: $(top_srcdir)/base/options.def $(make_man)
	$(AM_V_GEN)$(make_man) conf >$@.new && mv $@.new $@
prefixcache-counters.7: $(top_srcdir)/base/counters.def $(make_man)
	$(AM_V_GEN)$(make_man) counters >$@.new && mv $@.new $@
