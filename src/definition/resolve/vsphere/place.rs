//! `[vsphere]`: which vCenter, and where in it.
use super::super::{check, server};
use crate::{
    definition::{
        raw::Vcenter,
        reader::{At, Field, Reader},
    },
    plan::{SecretSource, VcenterPlan},
};
use std::collections::BTreeMap;

/// The vCenter; `secrets` are those of the definition, if they are right.
pub(in super::super) fn vcenter(
    vcenter: Field<Vcenter>,
    secrets: Option<&BTreeMap<String, SecretSource>>,
    reader: &mut Reader<'_>,
) -> Option<VcenterPlan> {
    let Some(At { value: raw, .. }) = vcenter.maybe()? else { return Some(VcenterPlan::default()) };
    let trust = server::Trust { ca_file: raw.ca_file, thumbprint: raw.thumbprint, insecure: raw.insecure };
    let trust = server::trust(trust, "a vCenter", reader);
    let host_name = match raw.server.maybe() {
        Some(Some(at)) => {
            let right = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
            let help = "write a name or an address, such as `vcenter.example.com`";
            check::text(at, reader, right, "is not the name of a server", help).map(Some)
        }
        other => other.map(|_| None),
    };
    let user = server::name(raw.user, "is not the name of a user", reader);
    let password = server::secret(("password", raw.password), "vcenter", secrets, reader);
    let config = server::file(raw.config, reader);
    let datacenter = server::name(raw.datacenter, "is not the name of a datacenter", reader);
    let cluster = server::name(raw.cluster, "is not the name of a cluster", reader);
    let host = server::name(raw.host, "is not the name of a host", reader);
    let resource_pool = server::name(raw.resource_pool, "is not the name of a resource pool", reader);
    let folder = server::name(raw.folder, "is not the name of a folder", reader);
    let datastore = server::name(raw.datastore, "is not the name of a datastore", reader);
    let networks = server::one_or_several(
        ("network", raw.network),
        ("networks", raw.networks),
        "is not the name of a network",
        reader,
    );
    Some(VcenterPlan {
        server: host_name?,
        user: user?,
        password: password?,
        trust: trust?,
        config: config?,
        datacenter: datacenter?,
        cluster: cluster?,
        host: host?,
        resource_pool: resource_pool?,
        folder: folder?,
        datastore: datastore?,
        networks: networks?,
    })
}
