//! `[vsphere]`: which vCenter, and where in it.
#![allow(
    clippy::option_option,
    reason = "as in `Field::maybe`: without the outer one, a mistake was reported"
)]
use super::super::{check, source::local_file};
use crate::{
    definition::{
        problem::Span,
        raw::Vcenter,
        reader::{At, Field, Reader},
        scalar::{List, Text},
    },
    plan::{SecretSource, VcenterPlan, VcenterTrust},
};
use std::{collections::BTreeMap, path::PathBuf};

/// The vCenter; `secrets` are those of the definition, if they are right.
pub(in super::super) fn vcenter(
    vcenter: Field<Vcenter>,
    secrets: Option<&BTreeMap<String, SecretSource>>,
    reader: &mut Reader<'_>,
) -> Option<VcenterPlan> {
    let Some(At { value: raw, .. }) = vcenter.maybe()? else { return Some(VcenterPlan::default()) };
    let trust = trust(raw.ca_file, raw.thumbprint, raw.insecure, reader);
    let server = match raw.server.maybe() {
        Some(Some(at)) => {
            let right = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
            let help = "write a name or an address, such as `vcenter.example.com`";
            check::text(at, reader, right, "is not the name of a server", help).map(Some)
        }
        other => other.map(|_| None),
    };
    let user = name(raw.user, "is not the name of a user", reader);
    let password = password(raw.password, secrets, reader);
    let config = file(raw.config, reader);
    let datacenter = name(raw.datacenter, "is not the name of a datacenter", reader);
    let cluster = name(raw.cluster, "is not the name of a cluster", reader);
    let host = name(raw.host, "is not the name of a host", reader);
    let resource_pool = name(raw.resource_pool, "is not the name of a resource pool", reader);
    let folder = name(raw.folder, "is not the name of a folder", reader);
    let datastore = name(raw.datastore, "is not the name of a datastore", reader);
    let networks = networks(raw.network, raw.networks, reader);
    Some(VcenterPlan {
        server: server?,
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

/// A name or a path as vCenter shows it.
pub(super) fn name(field: Field<Text>, is_not: &str, reader: &mut Reader<'_>) -> Option<Option<String>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    check::text(at, reader, is_name, is_not, "write it as the vCenter shows it, or leave the key out")
        .map(Some)
}

/// Whether something in an inventory can be called so.
pub(super) fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && check::is_line(text)
}

fn file(field: Field<Text>, reader: &mut Reader<'_>) -> Option<Option<PathBuf>> {
    let Some(at) = field.maybe()? else { return Some(None) };
    local_file(at, reader).map(Some)
}

fn trust(
    ca_file: Field<Text>,
    thumbprint: Field<Text>,
    insecure: Field<bool>,
    reader: &mut Reader<'_>,
) -> Option<Option<VcenterTrust>> {
    let given = [
        ("ca-file", ca_file.span().cloned()),
        ("thumbprint", thumbprint.span().cloned()),
        (
            "insecure",
            insecure.span().filter(|_| matches!(&insecure, Field::Good(At { value: true, .. }))).cloned(),
        ),
    ];
    let mut given: Vec<(&str, Span)> =
        given.into_iter().filter_map(|(name, span)| Some((name, span?))).collect();
    given.sort_by_key(|(_, span)| span.start);
    if let [(first, first_span), (second, second_span), ..] = &given[..] {
        reader
            .report(second_span, "a vCenter is recognised in one way: by `ca-file`, by `thumbprint`, or with `insecure` not at all")
            .label(format!("`{second}` is the second"))
            .also(first_span.clone(), format!("`{first}` is here"));
        return None;
    }
    let (ca_file, insecure) = (file(ca_file, reader), insecure.or(false));
    let thumbprint = match thumbprint.maybe() {
        Some(Some(at)) => {
            let help = "copy it from the vCenter's page: 20 (SHA-1) or 32 (SHA-256) bytes in hexadecimal, with or without colons";
            check::text(at, reader, is_thumbprint, "is not the fingerprint of a certificate", help).map(Some)
        }
        other => other.map(|_| None),
    };
    Some(match (ca_file?, thumbprint?, insecure?) {
        (Some(path), ..) => Some(VcenterTrust::CaFile(path)),
        (None, Some(print), _) => Some(VcenterTrust::Thumbprint(print)),
        (None, None, true) => Some(VcenterTrust::Anything),
        (None, None, false) => None,
    })
}

/// What `vsphere::Thumbprint` takes.
fn is_thumbprint(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| *c != ':' && !c.is_whitespace()).collect();
    matches!(digits.len(), 40 | 64) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn password(
    field: Field<Text>,
    secrets: Option<&BTreeMap<String, SecretSource>>,
    reader: &mut Reader<'_>,
) -> Option<Option<String>> {
    let Some(At { value, span }) = field.maybe()? else { return Some(None) };
    let name = value.0.text;
    // Without the secrets, something is wrong with them, and this may be right.
    if secrets.is_some_and(|secrets| !secrets.contains_key(&name)) {
        // It may be the password itself, which must not be shown.
        reader.report(&span, "`password` is the name of a secret, and there is none of this name").help(
            "add `[secret.vcenter]` with `env`, `file` or `command`, and write `password = \"vcenter\"`",
        );
        return None;
    }
    Some(Some(name))
}

fn networks(one: Field<Text>, all: Field<List<Text>>, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    if let (Some(first), Some(second)) = (one.span(), all.span()) {
        let first = first.clone();
        reader
            .report(second, "the networks are either `network` or `networks`")
            .also(first, "`network` is here");
        return None;
    }
    let is_not = "is not the name of a network";
    if let Some(one) = name(one, is_not, reader)? {
        return Some(vec![one]);
    }
    let Some(At { value: list, span }) = all.maybe()? else { return Some(Vec::new()) };
    check::holds(&span, !list.is_empty(), reader, || "`networks` names no network".to_owned())?;
    check::texts(list, reader, is_name, is_not, "write it as the vCenter shows it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbprints_are_of_two_lengths() {
        for text in ["00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33", &"ab".repeat(32)] {
            assert!(is_thumbprint(text), "{text}");
        }
        for text in ["", "00:11", &"xy".repeat(20), &"ab".repeat(21)] {
            assert!(!is_thumbprint(text), "{text}");
        }
    }
}
