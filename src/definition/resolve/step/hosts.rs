//! `hostname` and `hosts`: names of machines.
use crate::definition::{
    raw::Hosts,
    reader::{At, Reader},
    resolve::check,
    scalar::Text,
};
use crate::plan::{HostnameStep, HostsStep};
use std::{collections::BTreeMap, net::IpAddr};

pub(super) fn hostname(at: At<Text>, reader: &mut Reader<'_>) -> Option<HostnameStep> {
    let right = |name: &str| is_host(name) && name.len() <= 64;
    let name = check::text(at, reader, right, "is not a host name", HOST)?;
    Some(HostnameStep { name })
}

pub(super) fn resolve(At { value: raw, .. }: At<Hosts>, reader: &mut Reader<'_>) -> Option<HostsStep> {
    let At { value: given, span } = raw.entries.required()?;
    check::holds(&span, !given.is_empty(), reader, || "this `hosts` names no address".to_owned())?;
    let mut all_right = true;
    let mut entries = BTreeMap::new();
    for (address, entry) in given {
        let right = address.parse::<IpAddr>().is_ok() || address.contains("{{");
        all_right &= check::holds(&entry.key, right, reader, || {
            format!("`{}` is not an IP address", address.escape_debug())
        })
        .is_some();
        match check::texts(entry.value.value, reader, is_host, "is not a host name", HOST) {
            Some(names) => _ = entries.insert(address, names),
            None => all_right = false,
        }
    }
    all_right.then_some(HostsStep { entries })
}

const HOST: &str = "write letters, digits, `-` and dots, such as `registry.example.org`";

/// Whether `name` is a host name as resolvers take it.
fn is_host(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|part| {
            !part.is_empty() && part.len() <= 63 && check::is_word(part, "-_") && !part.ends_with('-')
        })
}
