//! `[cloudstack]`: which cloud, as whom, and where in it.
use super::super::{check, server};
use crate::{
    definition::{
        raw::Cloud,
        reader::{At, Field, Reader},
    },
    plan::{CloudPlan, SecretSource},
};
use std::collections::BTreeMap;

/// The cloud; `secrets` are those of the definition, if they are right.
pub(in super::super) fn cloud(
    cloud: Field<Cloud>,
    secrets: Option<&BTreeMap<String, SecretSource>>,
    reader: &mut Reader<'_>,
) -> Option<CloudPlan> {
    let Some(At { value: raw, .. }) = cloud.maybe()? else { return Some(CloudPlan::default()) };
    let trust = server::Trust { ca_file: raw.ca_file, thumbprint: raw.thumbprint, insecure: raw.insecure };
    let trust = server::trust(trust, "a cloud", reader);
    let endpoint = match raw.endpoint.maybe() {
        Some(Some(at)) => {
            let right = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
            let help = "write an address, such as `https://cloud.example.com/client/api`";
            check::text(at, reader, right, "is not the address of a cloud", help).map(Some)
        }
        other => other.map(|_| None),
    };
    let key = server::secret(("key", raw.key), "cloud-key", secrets, reader);
    let secret = server::secret(("secret", raw.secret), "cloud-secret", secrets, reader);
    let config = server::file(raw.config, reader);
    let region = server::name(raw.region, "is not the name of a section", reader);
    let zone = server::name(raw.zone, "is not the name of a zone", reader);
    let project = server::name(raw.project, "is not the name of a project", reader);
    Some(CloudPlan {
        endpoint: endpoint?,
        key: key?,
        secret: secret?,
        config: config?,
        region: region?,
        trust: trust?,
        zone: zone?,
        project: project?,
    })
}
