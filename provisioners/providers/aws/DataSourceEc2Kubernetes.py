"""EC2 for nodes of Cluster API.

Cluster API's AWS provider keeps the real user data in a secret store. What EC2 hands out is a boot hook that fetches it into a
file and restarts cloud-init. A restart in the middle of a boot has lost nodes, so here the boot hook runs while the data source
is read, its restart is left out, and the file takes the place of the user data.
"""
import logging
import os

from cloudinit import handlers, helpers, sources, util
from cloudinit.handlers.boot_hook import BootHookPartHandler
from cloudinit.handlers.jinja_template import (
    JinjaTemplatePartHandler,
    render_jinja_payload_from_file,
)
from cloudinit.settings import PER_ALWAYS
from cloudinit.sources.DataSourceEc2 import DataSourceEc2

LOG = logging.getLogger(__name__)

FETCHED = "/etc/secret-userdata.txt"
BOOTSTRAP = "/etc/cloud/cloud.cfg.d/99_kubeadm_bootstrap.cfg"
RESTART = "systemctl restart cloud-init"


class _BootHook(BootHookPartHandler):
    def handle_part(self, data, ctype, filename, payload, frequency):
        if ctype in handlers.CONTENT_SIGNALS:
            return
        kept = [
            "# " + line if RESTART in line and not line.lstrip().startswith("#") else line
            for line in payload.splitlines(keepends=True)
        ]
        super().handle_part(data, ctype, filename, "".join(kept), frequency)


class DataSourceEc2Kubernetes(DataSourceEc2):
    def _get_data(self):
        if not super()._get_data():
            return False
        message = self.get_userdata(True)
        # Boot hooks may ask for instance data.
        self.persist_instance_data()
        self.paths.datasource = self
        self._run_boot_hooks(message)
        if os.path.exists(FETCHED):
            self._take(FETCHED)
        else:
            LOG.info("There is no %s: the user data of EC2 counts as it is", FETCHED)
        return True

    def _run_boot_hooks(self, message):
        hook = _BootHook(self.paths, self)
        template = JinjaTemplatePartHandler(self.paths, sub_handlers=[hook])
        known = helpers.ContentHandlers()
        known.register(hook, overwrite=False)
        known.register(template, overwrite=False)
        handlers.walk(
            message,
            handlers.walker_callback,
            data=dict(
                handlers=known,
                handlerdir=self.paths.get_ipath("handlers"),
                data=None,
                frequency=PER_ALWAYS,
                handlercount=0,
                excluded=[],
            ),
        )

    def _take(self, path):
        known = self.paths.get_runpath("instance_data_sensitive")
        if os.getuid() != 0 or not os.path.exists(known):
            known = self.paths.get_runpath("instance_data")
        rendered = render_jinja_payload_from_file(
            payload=util.load_text_file(path),
            payload_fn=path,
            instance_data_file=known,
        )
        # It holds the token that joins the cluster.
        util.write_file(BOOTSTRAP, rendered, mode=0o600)
        self.userdata_raw = rendered


class DataSourceEc2KubernetesLocal(DataSourceEc2Kubernetes):
    """Before the network is up nothing answers, and waiting for it takes minutes."""

    def _get_data(self):
        return False


datasources = [
    (DataSourceEc2KubernetesLocal, (sources.DEP_FILESYSTEM,)),
    (DataSourceEc2Kubernetes, (sources.DEP_FILESYSTEM, sources.DEP_NETWORK)),
]


def get_datasource_list(depends):
    return sources.list_from_depends(depends, datasources)
