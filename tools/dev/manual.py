# SPDX-License-Identifier: Apache-2.0
"""
The manual pages that the .def tables make: prefixcached.conf(5) from
options.def and prefixcache-counters(7) from counters.def.
"""

import c_source as c

KINDS = {
    "SIZE": "a size in bytes, such as 64MiB, 4Gi, 10G (powers of 1000) or 65536",
    "SHARE": "a size in bytes, or a share of the memory this process may use, "
             "such as 70%",
    "COUNT": "a whole number",
    "MS": "a time, such as 20ms, 5s, 2m or 1h; a bare number is milliseconds",
    "BOOL": "true or false (also yes, no, on, off)",
    "CHOICE": "one of the words named",
    "ADDRESS": "host:port or [v6]:port; at port 0 the kernel chooses one",
    "PATH": "a path; empty is none",
}


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def head(name, section, summary):
    return [".\\\" SPDX-License-Identifier: Apache-2.0",
            '.TH %s %s "" prefixcache prefixcache' % (name.upper(), section),
            ".SH NAME", "%s \\- %s" % (escaped(name), summary)]


def option_lines(row):
    section, key, kind = row[:3]
    fallback, least, most, words, reload, text = (
        c.unquoted(r) if r.startswith('"') else r for r in row[3:9])
    yield ".TP"
    yield ".B %s" % escaped("%s.%s" % (section, key))
    yield escaped(text)
    if words:
        yield "One of %s." % escaped(", ".join(words.split(",")))
    else:
        yield "It is %s." % escaped(KINDS[kind])
    if least or most:
        yield "From %s to %s." % (escaped(least), escaped(most))
    yield "Default: %s." % (escaped(fallback) or "none")
    if reload == "1":
        yield "SIGHUP takes a new value."


def options_page(rows):
    lines = head("prefixcached.conf", 5, "configuration of prefixcached") + [
        ".SH DESCRIPTION",
        "A YAML file: a mapping of sections to mappings of keys to values,",
        "given to \\fBprefixcached\\fR with \\fB\\-\\-config\\fR.",
        "Each value may also come from the environment, as",
        "PREFIXCACHE_SECTION_KEY, or from \\fB\\-\\-set\\fR section.key=value;",
        "the file is read first, then the environment, then the flags, and what",
        "comes later wins.  \\fB\\-\\-print\\-config\\fR shows every value and",
        "where it came from, \\fB\\-\\-check\\-config\\fR only checks them.  An",
        "unknown section or key is an error.",
        ".SH OPTIONS"]
    section = None
    for _, row in rows:
        if row[0] != section:
            section = row[0]
            lines.append(".SS %s" % escaped(section))
        lines += option_lines(row)
    lines += [".SH EXAMPLE", ".nf", "dram:", "  size: 70%", "log:",
              "  level: warn", ".fi",
              ".SH SEE ALSO", ".BR prefixcached (8),",
              ".BR prefixcache\\-counters (7)"]
    return "\n".join(lines) + "\n"


def counters_page(rows):
    lines = head("prefixcache-counters", 7, "what prefixcached counts") + [
        ".SH DESCRIPTION",
        "Each counter has a short name, in \\fBprefixcache\\-cli stat\\fR and in",
        "INFO, and a metric with labels, in /metrics.  All of them only grow",
        "while the server runs.",
        ".SH COUNTERS"]
    for _, row in rows:
        name, metric, labels, text = (
            c.unquoted(r) if r.startswith('"') else r for r in row[:4])
        if labels:
            metric += "{%s}" % labels
        lines += [".TP", ".B %s" % escaped(name), escaped(text),
                  ".br", escaped(metric)]
    lines += [".SH SEE ALSO", ".BR prefixcached (8),",
              ".BR prefixcache\\-cli (1)"]
    return "\n".join(lines) + "\n"
