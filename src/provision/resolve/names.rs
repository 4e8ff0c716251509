//! What expressions and templates know: facts of the guest, what the image is for, and a few functions.
use crate::{
    guest::{Facts, Family},
    plan::Plan,
    template,
};
use minijinja::{Environment, Error, ErrorKind, Value};
use std::{cmp::Ordering, collections::BTreeMap};

/// Names and what they are.
pub(super) type Names = BTreeMap<String, Value>;

/// A template that works longer than this is caught in a loop.
const FUEL: u64 = 10_000_000;

/// The language, with functions of ours.
pub(super) fn environment() -> Environment<'static> {
    let mut env = template::environment(FUEL);
    env.add_function("version_at_least", |version: String, least: String| {
        compare(&version, &least) != Ordering::Less
    });
    env.add_filter("basename", |path: String| {
        path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
    });
    env.add_filter("b64decode", b64decode);
    env
}

fn b64decode(text: String) -> Result<String, Error> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let packed: String = text.split_whitespace().collect();
    let wrong = |reason: String| Error::new(ErrorKind::InvalidOperation, reason);
    let bytes = STANDARD.decode(packed).map_err(|error| wrong(format!("this is not base64: {error}")))?;
    String::from_utf8(bytes)
        .map_err(|_| wrong("this is base64 of something that is not UTF-8 text".to_owned()))
}

/// Compares versions by their numbers: `v1.9.3` is before `1.10`. What follows the numbers does not count.
fn compare(a: &str, b: &str) -> Ordering {
    let numbers = |version: &str| -> Vec<u64> {
        let version = version.trim().trim_start_matches('v');
        let plain = version.split(['-', '+', '~', ' ']).next().unwrap_or_default();
        plain.split('.').map_while(|part| part.parse().ok()).collect()
    };
    let (a, b) = (numbers(a), numbers(b));
    (0..a.len().max(b.len()))
        .map(|at| a.get(at).unwrap_or(&0).cmp(b.get(at).unwrap_or(&0)))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

/// What is known of it before there is a guest. With `facts`, the system that these tell.
pub(super) fn of_plan(plan: &Plan, facts: Option<&Facts>) -> Names {
    let efi = plan.machine.firmware == crate::plan::Firmware::Efi;
    // Any system will do where none is known: what it says of itself is taken out again.
    let Some(any) = facts.cloned().or_else(|| Facts::assumed("debian-12", plan.arch, efi)) else {
        return Names::new();
    };
    let mut names = of_guest(plan, &any);
    names.remove("kernel");
    if facts.is_none() {
        names.remove("os");
        names.remove("cloud_init");
    }
    names
}

/// What holds in the whole definition.
pub(super) fn of_guest(plan: &Plan, facts: &Facts) -> Names {
    let family = match facts.family {
        Family::Debian => "debian",
        Family::RedHat => "redhat",
        Family::Suse => "suse",
        Family::Flatcar => "flatcar",
        Family::Photon => "photon",
        Family::Other => "other",
    };
    let major: u64 = facts.os_version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    let os = Value::from_pairs([
        ("id", Value::from(facts.os_id.clone())),
        ("version", Value::from(facts.os_version.clone())),
        ("major", Value::from(major)),
        ("family", Value::from(family)),
        ("codename", Value::from(facts.codename.clone())),
        ("name", Value::from(facts.os_name.clone())),
    ]);
    let deb_arch = match facts.arch.as_str() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut formats: Vec<String> = plan.outputs.iter().map(|output| output.format.to_string()).collect();
    if !plan.amis.is_empty() {
        formats.push("ami".to_owned());
    }
    let firmware = if facts.efi { "efi" } else { "bios" };
    [
        ("os", os),
        ("arch", Value::from(facts.arch.clone())),
        ("deb_arch", Value::from(deb_arch)),
        ("kernel", Value::from(facts.kernel.clone())),
        ("firmware", Value::from(firmware)),
        ("provider", Value::from(plan.provider.name())),
        ("formats", Value::from(formats)),
        ("cloud_init", Value::from(facts.cloud_init)),
        ("name", Value::from(plan.name.clone())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("v2.1.4", "2.0.0" => true)]
    #[test_case("1.7.28", "2.0.0" => false)]
    #[test_case("1.10", "1.9.3" => true)]
    #[test_case("1.34.1-eks-1-34-9", "1.34.1" => true)]
    #[test_case("2", "2.0.0" => true)]
    fn versions_are_compared_by_number(a: &str, b: &str) -> bool {
        compare(a, b) != Ordering::Less
    }
}
