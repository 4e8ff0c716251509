//! Which AMI is where, as the files that others read: AlmaLinux's tables, ComboAMI's and Packer's JSON, a summary for a CI system.
mod delimited;
mod ids;
mod manifest;
mod summary;

pub use delimited::{csv, markdown};
pub use ids::ami_ids;
pub use manifest::{Run, manifest};
pub use summary::{message, summary};

use super::ami::{CopyReport, CopyState};
use serde::{Deserialize, Serialize};

/// One AMI in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// `AlmaLinux OS`.
    pub distribution: String,
    /// `9.6.20250522`.
    pub version: String,
    /// `us-east-1`.
    pub region: String,
    /// `ami-…`.
    pub ami: String,
    /// `x86_64`, or what the image's tag says.
    pub arch: String,
    /// `hvm` or `pv`.
    pub virtualization: String,
    /// The image's name.
    pub name: String,
}

/// What the images do not say themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// Instead of the words of an image's name before its version.
    pub distribution: Option<String>,
    /// Instead of its tag `Version`.
    pub version: Option<String>,
}

/// The rows of several reports, in the order of the tables: by region, `x86_64` before `aarch64`. Regions that are not done are left
/// out: a table of ids that nobody can use yet helps nobody.
pub fn rows(reports: &[CopyReport], words: &Words) -> Vec<Row> {
    let mut rows: Vec<Row> = reports
        .iter()
        .flat_map(|report| {
            let source = &report.source;
            let name = source.tags.get("Name").unwrap_or(&source.name);
            let version = words.version.as_ref().or(source.tags.get("Version")).cloned();
            let virtualization = match source.virtualization.as_deref() {
                Some("paravirtual") => "pv",
                _ => "hvm",
            };
            let done = report.regions.iter().filter(|copied| copied.state == CopyState::Done);
            done.filter_map(move |copied| {
                Some(Row {
                    distribution: words.distribution.clone().unwrap_or_else(|| distribution(name)),
                    version: version.clone().unwrap_or_else(|| version_in(name)),
                    region: copied.region.clone(),
                    ami: copied.ami.clone()?,
                    arch: source.arch().unwrap_or_default().to_owned(),
                    virtualization: virtualization.to_owned(),
                    name: source.name.clone(),
                })
            })
        })
        .collect();
    sort(&mut rows);
    rows
}

/// The words before the first that begins with a digit: `AlmaLinux OS Kitten` of `AlmaLinux OS Kitten 10.20250522.0 x86_64`.
fn distribution(name: &str) -> String {
    let words = name.split(' ').take_while(|word| !word.starts_with(|c: char| c.is_ascii_digit()));
    words.collect::<Vec<_>>().join(" ")
}

/// The first word that begins with a digit.
fn version_in(name: &str) -> String {
    name.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit())).unwrap_or_default().to_owned()
}

/// As `sort -t, -k3,3 -k5,5r` in the C locale: by region, then by architecture backwards, then by the whole line.
pub fn sort(rows: &mut [Row]) {
    let line =
        |row: &Row| [row.distribution.clone(), row.version.clone(), row.region.clone(), row.ami.clone()];
    rows.sort_by(|a, b| (&a.region, &b.arch, line(a)).cmp(&(&b.region, &a.arch, line(b))));
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::publish) fn row(region: &str, ami: &str, arch: &str) -> Row {
        Row {
            distribution: "AlmaLinux OS".into(),
            version: "9.6.20250522".into(),
            region: region.into(),
            ami: ami.into(),
            arch: arch.into(),
            virtualization: "hvm".into(),
            name: format!("AlmaLinux OS 9.6.20250522 {arch}"),
        }
    }

    #[test]
    fn a_name_tells_distribution_and_version() {
        for (name, distribution, version) in [
            ("AlmaLinux OS 9.6.20250522 x86_64", "AlmaLinux OS", "9.6.20250522"),
            ("AlmaLinux OS Kitten 10.20250522.0 aarch64", "AlmaLinux OS Kitten", "10.20250522.0"),
            ("capa-ami-ubuntu-24.04-v1.31.0", "capa-ami-ubuntu-24.04-v1.31.0", ""),
        ] {
            assert_eq!(
                (super::distribution(name).as_str(), version_in(name).as_str()),
                (distribution, version)
            );
        }
    }
}
