# SPDX-License-Identifier: Apache-2.0
"""prefixcache behind LMCache, in either of its modes; README.md has the
configuration of both.

    PrefixcacheClient                        multi-process: {"type":
                                             "native_plugin"}
    connector.PrefixcacheConnectorAdapter    in the engine:
                                             remote_storage_plugins

Only the second needs LMCache to be imported.
"""
from .native import PrefixcacheClient

__all__ = ["PrefixcacheClient"]
__version__ = "0.1.0"
