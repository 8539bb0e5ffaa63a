# SPDX-License-Identifier: Apache-2.0
# The answers: bytes in and out, requests, what is shown of it.

noinst_LIBRARIES += libserver.a
libserver_a_CPPFLAGS = $(AM_CPPFLAGS) $(EVENTS_CFLAGS) $(CRYPTO_CFLAGS) $(JANSSON_CFLAGS) $(LIBEVENT_CFLAGS)
libserver_a_SOURCES = \
	server/daemon.c \
	server/index/arena.c \
	server/index/catalog.c \
	server/index/catalog_card.c \
	server/index/catalog_edit.c \
	server/index/catalog_key.c \
	server/index/catalog_part.c \
	server/index/catalog_save.c \
	server/index/catalog_walk.c \
	server/index/labels.c \
	server/index/prefix.c \
	server/index/rates.c \
	server/index/saver.c \
	server/index/saver_file.c \
	server/index/snapshot.c \
	server/index/speed.c \
	server/index/table.c \
	server/index/template.c \
	server/index/words.c \
	server/net/address.c \
	server/net/buffers.c \
	server/net/connection.c \
	server/net/fetch.c \
	server/net/group.c \
	server/net/input.c \
	server/net/order.c \
	server/net/outbox.c \
	server/net/roster.c \
	server/net/watch.c \
	server/observe/curve.c \
	server/observe/history.c \
	server/observe/http.c \
	server/observe/info.c \
	server/observe/metrics.c \
	server/observe/page.c \
	server/observe/page_keys.c \
	server/observe/page_prefix.c \
	server/observe/page_query.c \
	server/observe/page_rates.c \
	server/observe/page_state.c \
	server/observe/page_stats.c \
	server/observe/page_status.c \
	server/observe/question.c \
	server/observe/question_query.c \
	server/observe/rates_text.c \
	server/observe/router_index.c \
	server/observe/tiers.c \
	server/request/answer.c \
	server/request/digest.c \
	server/request/glob.c \
	server/request/lm.c \
	server/request/native.c \
	server/request/native_get.c \
	server/request/native_keys.c \
	server/request/native_prefix.c \
	server/request/native_put.c \
	server/request/native_server.c \
	server/request/query.c \
	server/request/request.c \
	server/request/resp.c \
	server/request/resp_catalog.c \
	server/request/resp_client.c \
	server/request/resp_cluster.c \
	server/request/resp_get.c \
	server/request/resp_hash.c \
	server/request/resp_hkeys.c \
	server/request/resp_key.c \
	server/request/resp_name.c \
	server/request/resp_prefix.c \
	server/request/resp_put.c \
	server/request/resp_script.c \
	server/request/resp_server.c \
	server/request/resp_session.c \
	server/request/resp_sorted.c \
	server/request/resp_space.c \
	server/request/resp_zadd.c \
	server/server.c \
	server/worker/deadline.c \
	server/worker/listener.c \
	server/worker/turn.c \
	server/worker/turn_body.c \
	server/worker/worker.c
if HAVE_EVENTS
libserver_a_SOURCES += \
	server/events/event_block.c \
	server/events/event_journal.c \
	server/events/event_list.c \
	server/events/event_message.c \
	server/events/event_queue.c \
	server/events/event_replay.c \
	server/events/event_socket.c \
	server/events/events.c
else
libserver_a_SOURCES += server/events/events_none.c
endif

# The status page as a C string.
nodist_libserver_a_SOURCES = status_html.c
CLEANFILES += status_html.c
status_page = $(top_srcdir)/server/observe/status.html
status_html.c: $(status_page)
	$(AM_V_GEN){ echo '#include "server/observe/page.h"'; \
	    echo 'const char page_status_html[] ='; \
	    sed -e 's/[\\"]/\\&/g' -e 's/.*/    "&\\n"/' $(status_page); \
	    echo '    "";'; } >$@.new && mv $@.new $@

server_libs = libserver.a $(storage_libs) $(base_libs) $(proto_libs) $(CRYPTO_LIBS) $(EVENTS_LIBS) $(JANSSON_LIBS) $(LIBEVENT_LIBS) -lm

bin_PROGRAMS += prefixcached
prefixcached_SOURCES = server/main.c
prefixcached_LDADD = $(server_libs)

dist_man_MANS += \
	server/events/prefixcache-events.7 \
	server/prefixcache-http.7 \
	server/prefixcached.8

nodist_man_MANS += prefixcache-resp.7
CLEANFILES += prefixcache-resp.7
prefixcache-resp.7: $(top_srcdir)/proto/resp_command.def $(top_srcdir)/server/prefixcache-resp.7.in $(make_man)
	$(AM_V_GEN)$(make_man) resp >$@.new && mv $@.new $@
