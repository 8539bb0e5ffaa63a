# SPDX-License-Identifier: Apache-2.0
"""A server that is started as its caller says: with a file, an environment, a
limit on descriptors.  What a file is to set must not be among the options,
which win over it."""
import os
import resource
import subprocess

from server import Server, program


class ConfiguredServer(Server):
    def __init__(self, config=None, environment=None, descriptors=None,
                 **options):
        super().__init__(**options)
        self.config = config
        self.environment = environment or {}
        self.descriptors = descriptors

    def _limit(self):
        if self.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE,
                               (self.descriptors, self.descriptors))

    def start(self):
        command = [program("PREFIXCACHED")]
        if self.config:
            command += ["--config", self.config]
        for name, value in self.options.items():
            command += ["--set", f"{name}={value}"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self.log, env=dict(os.environ, **self.environment),
            preexec_fn=self._limit)
        try:
            self._read_ready()
        except BaseException:
            self.kill()
            raise
        return self
