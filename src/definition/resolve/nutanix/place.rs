//! `[nutanix]`: which Prism Central, and where in it.
use super::super::{check, machine::port_of, server};
use crate::{
    definition::{
        raw::Prism,
        reader::{At, Field, Reader},
    },
    plan::{PrismPlan, SecretSource},
};
use std::collections::BTreeMap;

/// The Prism Central; `secrets` are those of the definition, if they are right.
pub(in super::super) fn prism(
    prism: Field<Prism>,
    secrets: Option<&BTreeMap<String, SecretSource>>,
    reader: &mut Reader<'_>,
) -> Option<PrismPlan> {
    let Some(At { value: raw, .. }) = prism.maybe()? else { return Some(PrismPlan::default()) };
    let trust = server::Trust { ca_file: raw.ca_file, thumbprint: raw.thumbprint, insecure: raw.insecure };
    let trust = server::trust(trust, "a Prism Central", reader);
    let endpoint = match raw.endpoint.maybe() {
        Some(Some(at)) => {
            let right = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
            let help = "write a name or an address, such as `prism.example.com`";
            check::text(at, reader, right, "is not the name of a server", help).map(Some)
        }
        other => other.map(|_| None),
    };
    let port = port_of(raw.port, reader);
    let user = server::name(raw.user, "is not the name of a user", reader);
    let password = server::secret(("password", raw.password), "prism", secrets, reader);
    let config = server::file(raw.config, reader);
    let api = match raw.api.maybe() {
        Some(Some(at)) => {
            let right = |text: &str| matches!(text, "v3" | "v4");
            check::text(at, reader, right, "is no form of the interface", "there are `v3` and `v4`").map(Some)
        }
        other => other.map(|_| None),
    };
    let cluster = server::name(raw.cluster, "is not the name of a cluster", reader);
    let subnets = server::one_or_several(
        ("subnet", raw.subnet),
        ("subnets", raw.subnets),
        "is not the name of a subnet",
        reader,
    );
    let project = server::name(raw.project, "is not the name of a project", reader);
    Some(PrismPlan {
        endpoint: endpoint?,
        port: port?,
        user: user?,
        password: password?,
        trust: trust?,
        config: config?,
        api: api?,
        cluster: cluster?,
        subnets: subnets?,
        project: project?,
    })
}
