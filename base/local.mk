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
	base/options_yaml.c

base_libs = libbase.a $(YAML_LIBS)

# The manual pages that the tables make.
generated_manuals = prefixcached.conf.5 prefixcache-counters.7
nodist_man_MANS += $(generated_manuals)
CLEANFILES += $(generated_manuals)
manual_parts = $(top_srcdir)/tools/dev/make-manual $(top_srcdir)/tools/dev/manual.py $(top_srcdir)/tools/dev/c_source.py
prefixcached.conf.5: $(top_srcdir)/base/options.def $(manual_parts)
	$(AM_V_GEN)$(top_srcdir)/tools/dev/make-manual $@ >$@.new && mv $@.new $@
prefixcache-counters.7: $(top_srcdir)/base/counters.def $(manual_parts)
	$(AM_V_GEN)$(top_srcdir)/tools/dev/make-manual $@ >$@.new && mv $@.new $@
