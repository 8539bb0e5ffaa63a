#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# libprefixcache as somebody else's program meets it: installed, found by
# pkg-config, linked to C and C++ with all warnings on.  No server is needed:
# a cache that nobody answers opens, and has misses.
set -u -o pipefail

build=$(dirname "${PREFIXCACHED:?is set by make check}")
directory=$(mktemp -d "${PREFIXCACHE_TMP:-/tmp}/library.XXXXXX")
root=$directory/root
failures=0
cc=${CC:-gcc} cxx=${CXX:-g++}

skip() {
    echo "$1"
    rm -rf "$directory"
    exit 77
}
for tool in "$cc" "$cxx" pkg-config readelf nm make; do
    command -v "$tool" >/dev/null || skip "$tool is not installed"
done
[ -f "$build/Makefile" ] || skip "$build is no build tree"

# must SENTENCE COMMAND...
must() {
    local sentence=$1
    shift
    if "$@" >"$directory/said" 2>&1; then
        echo "ok: $sentence"
    else
        echo "FAILED: $sentence: $*"
        tail -n 30 "$directory/said" | sed 's/^/    /'
        failures=$((failures + 1))
    fi
}

# Installs into a place of its own, with nothing of the make that runs this.
install_tree() {
    (unset MAKEFLAGS MFLAGS MAKELEVEL &&
        make --no-print-directory -C "$build" install DESTDIR="$root")
}
must "make install fills a DESTDIR" install_tree
[ $failures -eq 0 ] || exit 1

prefix=$(sed -n 's/^prefix=//p' "$build/client/libprefixcache.pc")
libdir=$root$(pkg-config --variable=libdir "$build/client/libprefixcache.pc")
library=$libdir/libprefixcache.so.0
manuals=$(find "$root" -type d -name man3)

for file in "$libdir/libprefixcache.a" "$libdir/libprefixcache.so" "$library" \
    "$libdir/pkgconfig/libprefixcache.pc" "$root$prefix/include/prefixcache.h" \
    "$manuals/libprefixcache.3" "$manuals/prefixcache_open.3"; do
    must "$(basename "$file") is installed" test -s "$file"
done

# is_only_interface NM-FLAGS FILE: each name that others may link is one of ours.
is_only_interface() {
    nm "$@" | awk 'NF == 3 && $2 ~ /^[A-TV-Z]$/ && $2 != "A" { print $3 }' |
        sed 's/@@.*//' | sort -u >"$directory/names"
    grep -qx prefixcache_open "$directory/names" && ! grep -v '^prefixcache_' "$directory/names"
}
# is_whole_interface: ... and those are what the header declares.
is_whole_interface() {
    nm -D --defined-only "$library" | sed -n 's/.* T \(prefixcache_[a-z_]*\)@@.*/\1/p' |
        sort >"$directory/shown"
    grep -v '^ *#' "$root$prefix/include/prefixcache.h" | tr '\n' ' ' | grep -o 'PREFIXCACHE_API [^;]*;' |
        sed 's/ *(.*//; s/.*[ *]//' | sort >"$directory/declared"
    [ -s "$directory/declared" ] && diff "$directory/declared" "$directory/shown"
}
is_named() {
    readelf -d "$library" | grep -F '[libprefixcache.so.0]' | grep -F SONAME
}
has_no_text_relocations() {
    readelf -d "$library" >"$directory/dynamic" &&
        ! grep -F TEXTREL "$directory/dynamic"
}
must "the shared library shows nothing but prefixcache_*" \
    is_only_interface -D --defined-only "$library"
must "the archive shows nothing but prefixcache_*" \
    is_only_interface --defined-only --extern-only "$libdir/libprefixcache.a"
must "the shared library shows what the header declares" is_whole_interface
must "its soname is libprefixcache.so.0" is_named
must "its code needs no relocation" has_no_text_relocations

cat >"$directory/program.c" <<'END'
#include <prefixcache.h>
#include <stdio.h>
#include <string.h>

/* Names that the library has inside: they are the program's own here. */
int slot_of(void);
int slot_of(void)
{
    return 1;
}

/* Numbers that are built into programs, which no comparison of symbols sees. */
#define IS(name, number) typedef char is_##name[PREFIXCACHE_##name == number ? 1 : -1]
IS(OK, 0); IS(MISS, 1); IS(UNMET, 2); IS(BUSY, 3); IS(TOO_BIG, 4); IS(NO_SPACE, 5);
IS(BAD_REQUEST, 6); IS(CORRUPT, 7); IS(LATE, 8); IS(GONE, 9);
IS(ANY, 0); IS(PLAIN, 1); IS(OBJECT, 2);
IS(GET, 1); IS(PUT, 2); IS(EXISTS, 3); IS(DROP, 4);
IS(CHECKSUM, 1); IS(WHY_SIZE, 256); IS(KEY_MAX, 4096); IS(META_MAX, 128);
IS(SHARDS_MAX, 64);

static int fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    return 1;
}

int main(void)
{
    char why[PREFIXCACHE_WHY_SIZE] = "", body[16] = "";
    struct prefixcache_options options;
    struct prefixcache_item item;
    struct prefixcache *cache = NULL;

    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.get_ms = 300;
    if (prefixcache_open("redis://a", &options, &cache, why) !=
            PREFIXCACHE_BAD_REQUEST || strstr(why, "redis") == NULL)
        return fail("a URL of another scheme was taken");
    if (prefixcache_open("prefixcache://127.0.0.1:1,127.0.0.1:2", &options,
                         &cache, why) != PREFIXCACHE_OK)
        return fail(why);
    memset(&item, 0, sizeof item);
    item.key = "m@1@0@ab";
    item.key_size = 8;
    item.body = body;
    item.body_size = sizeof body;
    if (prefixcache_get(cache, &item, 1) != 0 ||
        item.status != PREFIXCACHE_MISS)
        return fail(prefixcache_status_name(item.status));
    if (prefixcache_shards(cache, NULL, 0, sizeof(struct prefixcache_shard)) != 2)
        return fail("there are not two shards");
    prefixcache_close(&cache);
    if (cache != NULL)
        return fail("it is still open");
    return 0;
}
END
cp "$directory/program.c" "$directory/program.cc"

export PKG_CONFIG_PATH=$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
must "pkg-config knows the version" pkg-config --exact-version="$(
    sed -n 's/^Version: //p' "$build/client/libprefixcache.pc"
)" libprefixcache
warnings=(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual -Werror)
[ -z "${PREFIXCACHE_SANITIZER:-}" ] || warnings+=("-fsanitize=$PREFIXCACHE_SANITIZER")
mapfile -t flags < <(pkg-config --cflags --libs libprefixcache | tr ' ' '\n' | sed '/^$/d')
mapfile -t static_flags < <(PKG_CONFIG_SYSROOT_DIR='' pkg-config --static --libs libprefixcache |
    tr ' ' '\n' | sed -n 's/^-lprefixcache$/-l:libprefixcache.a/; /^-l\|^-p/p')

must "a C program builds against it" "$cc" -std=c99 "${warnings[@]}" \
    -o "$directory/c" "$directory/program.c" "${flags[@]}"
must "a C++ program builds against it" "$cxx" -std=c++98 "${warnings[@]}" \
    -o "$directory/cxx" "$directory/program.cc" "${flags[@]}"
must "a C program links the archive" "$cc" -std=c99 "${warnings[@]}" \
    -I"$root$prefix/include" -o "$directory/static" "$directory/program.c" \
    -L"$libdir" "${static_flags[@]}"
must "the C program runs" env LD_LIBRARY_PATH="$libdir" timeout 30 "$directory/c"
must "the C++ program runs" env LD_LIBRARY_PATH="$libdir" timeout 30 "$directory/cxx"
must "the program with the archive runs" timeout 30 "$directory/static"

[ $failures -eq 0 ] || {
    echo "$failures failures; what was built is in $directory"
    exit 1
}
rm -rf "$directory"
