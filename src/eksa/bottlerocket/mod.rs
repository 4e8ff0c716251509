//! Bottlerocket's images for the nodes of a release channel: which there are, what they are called, and where they are published.
#[cfg(feature = "tuf")]
mod download;

#[cfg(feature = "tuf")]
pub use download::{FetchedImage, HandedImage, RepositorySaid, RepositoryWanted};

use super::{Channel, EksaError, EksaErrorKind};
use crate::value::Arch;
use serde::Serialize;
use std::{fmt, str::FromStr};

/// Which image of Bottlerocket EKS Anywhere means for a channel, as in `BOTTLEROCKET_RELEASES` of its build tooling: of each channel the versions of
/// the AMI, the OVA and the raw image. Raw images ended with Kubernetes 1.28.
const RELEASES: &[(&str, &str, &str, Option<&str>)] = &[
    ("1-28", "v1.51.0", "v1.51.0", Some("v1.26.2")),
    ("1-29", "v1.56.0", "v1.56.0", None),
    ("1-30", "v1.62.0", "v1.62.0", None),
    ("1-31", "v1.62.0", "v1.62.0", None),
    ("1-32", "v1.62.0", "v1.62.0", None),
    ("1-33", "v1.64.0", "v1.64.0", None),
    ("1-34", "v1.64.0", "v1.64.0", None),
    ("1-35", "v1.64.0", "v1.64.0", None),
    ("1-36", "v1.64.0", "v1.64.0", None),
];

/// For which hypervisor an image of Bottlerocket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// An OVA for vCenters.
    Ova,
    /// A disk for bare metal.
    Raw,
    /// A disk for Amazon's cloud.
    Ami,
}

/// A text is no format of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write `ova`, `raw` or `ami`")]
pub struct ImageFormatError;

impl ImageFormat {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ova, Self::Raw, Self::Ami];

    /// The first part of the variant's name.
    fn platform(self) -> &'static str {
        match self {
            Self::Ova => "vmware",
            Self::Raw => "metal",
            Self::Ami => "aws",
        }
    }

    /// How the names of published files end.
    fn published(self) -> &'static str {
        match self {
            Self::Ova => "ova",
            Self::Raw | Self::Ami => "img.lz4",
        }
    }

    /// The file that it becomes here, as EKS Anywhere's build tooling calls it.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Ova => "bottlerocket.ova",
            Self::Raw | Self::Ami => "bottlerocket.img.gz",
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ova => "ova",
            Self::Raw => "raw",
            Self::Ami => "ami",
        })
    }
}

impl FromStr for ImageFormat {
    type Err = ImageFormatError;

    fn from_str(text: &str) -> Result<Self, ImageFormatError> {
        Self::ALL.into_iter().find(|format| format.to_string() == text).ok_or(ImageFormatError)
    }
}

/// The versions of Bottlerocket that belong to a channel, by format; nothing for channels that nobody told of.
pub fn bottlerocket_of(channel: Channel) -> Vec<(ImageFormat, &'static str)> {
    let row = RELEASES.iter().find(|(name, ..)| name.parse() == Ok(channel));
    let Some((_, ami, ova, raw)) = row else { return Vec::new() };
    let all = [(ImageFormat::Ova, Some(*ova)), (ImageFormat::Raw, *raw), (ImageFormat::Ami, Some(*ami))];
    all.into_iter().filter_map(|(format, version)| Some((format, version?))).collect()
}

/// An image of Bottlerocket, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    /// For which hypervisor.
    pub format: ImageFormat,
    /// Its version, such as `v1.64.0`.
    pub version: String,
    /// Its variant, such as `vmware-k8s-1.34`.
    pub variant: String,
    /// For which machines.
    pub arch: Arch,
}

impl ImageName {
    /// The image of a channel: its version from the table unless `version` says it, its variant the usual one unless `variant` does.
    pub fn choose(
        channel: Channel,
        format: ImageFormat,
        arch: Arch,
        version: Option<&str>,
        variant: Option<&str>,
    ) -> Result<Self, EksaError> {
        let version = match version {
            Some(text) => version_of(text)?,
            None => known(channel, format)?.to_owned(),
        };
        let variant = match variant {
            Some(text) => variant_of(text, channel)?,
            None => format!("{}-k8s-{}", format.platform(), channel.dotted()),
        };
        Ok(Self { format, version, variant, arch })
    }

    /// The name of the published file.
    pub fn target(&self) -> String {
        let Self { format, version, variant, arch } = self;
        format!("bottlerocket-{variant}-{arch}-{version}.{}", format.published())
    }

    /// Those of `names` that are the same image in other versions, newest first.
    pub fn others<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        let Self { format, variant, arch, .. } = self;
        let (begin, end) = (format!("bottlerocket-{variant}-{arch}-"), format!(".{}", format.published()));
        let versions = names.filter_map(|name| name.strip_prefix(begin.as_str())?.strip_suffix(end.as_str()));
        let mut versions: Vec<&str> = versions.collect();
        versions.sort_by_key(|version| std::cmp::Reverse(numbers(version)));
        versions
    }
}

/// The version that the table has.
fn known(channel: Channel, format: ImageFormat) -> Result<&'static str, EksaError> {
    let versions = bottlerocket_of(channel);
    if let Some((_, version)) = versions.iter().find(|(found, _)| *found == format) {
        return Ok(version);
    }
    let attempt = format!("choose a version of Bottlerocket for channel {channel} as {format}");
    let error = EksaError::new(EksaErrorKind::Usage, attempt);
    let Some((first, last)) = RELEASES.first().zip(RELEASES.last()) else { return Err(error) };
    if versions.is_empty() {
        let why = format!("goldsmith knows of the channels {} to {}", first.0, last.0);
        return Err(error.because(why).hint("`--version` says one, such as `--version v1.64.0`"));
    }
    let there: Vec<String> =
        versions.iter().map(|(format, version)| format!("{format} ({version})")).collect();
    let with = RELEASES
        .iter()
        .filter(|(name, ..)| {
            name.parse()
                .is_ok_and(|channel| bottlerocket_of(channel).iter().any(|(found, _)| *found == format))
        })
        .map(|(name, ..)| *name);
    let with: Vec<&str> = with.collect();
    Err(error.because(format!("for this channel there are {} only", there.join(" and "))).hint(format!(
        "as {format} there is Bottlerocket for {}; `--version` asks the repository all the same",
        with.join(", ")
    )))
}

/// A version as files have it: `v1.64.0`.
fn version_of(text: &str) -> Result<String, EksaError> {
    let plain = text.strip_prefix('v').unwrap_or(text);
    let parts: Vec<&str> = plain.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() == 3 && parts.iter().all(number) {
        return Ok(format!("v{plain}"));
    }
    Err(EksaError::new(EksaErrorKind::Usage, format!("take `{text}` for a version of Bottlerocket"))
        .because("versions have three numbers, such as v1.64.0"))
}

/// A variant for this channel.
fn variant_of(text: &str, channel: Channel) -> Result<String, EksaError> {
    let error = |why: String| {
        EksaError::new(EksaErrorKind::Usage, format!("take `{text}` for a variant of Bottlerocket"))
            .because(why)
    };
    let sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    if text.is_empty() || text.contains("..") || !text.bytes().all(sign) {
        return Err(error("variants are called like `aws-k8s-1.34-nvidia`".to_owned()));
    }
    let wanted = channel.dotted();
    if text.split('-').skip_while(|part| *part != "k8s").nth(1) == Some(wanted.as_str()) {
        return Ok(text.to_owned());
    }
    Err(error(format!("for channel {channel} it would have `-k8s-{wanted}` in its name")))
}

/// What versions are ordered by.
fn numbers(version: &str) -> Vec<u64> {
    version.trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn choose(
        channel: &str,
        format: &str,
        version: Option<&str>,
        variant: Option<&str>,
    ) -> Result<ImageName, EksaError> {
        let (channel, format) = (channel.parse().unwrap(), format.parse().unwrap());
        ImageName::choose(channel, format, Arch::X86_64, version, variant)
    }

    #[test_case("1-34", "ova", None, None, "bottlerocket-vmware-k8s-1.34-x86_64-v1.64.0.ova")]
    #[test_case("1.28", "raw", None, None, "bottlerocket-metal-k8s-1.28-x86_64-v1.26.2.img.lz4")]
    #[test_case("1-31", "ami", None, None, "bottlerocket-aws-k8s-1.31-x86_64-v1.62.0.img.lz4")]
    #[test_case("1-34", "raw", Some("1.70.1"), None, "bottlerocket-metal-k8s-1.34-x86_64-v1.70.1.img.lz4")]
    #[test_case(
        "1-34",
        "ami",
        None,
        Some("aws-k8s-1.34-nvidia"),
        "bottlerocket-aws-k8s-1.34-nvidia-x86_64-v1.64.0.img.lz4"
    )]
    fn images_are_called_as_they_are_published(
        channel: &str,
        format: &str,
        version: Option<&str>,
        variant: Option<&str>,
        target: &str,
    ) {
        assert_eq!(choose(channel, format, version, variant).unwrap().target(), target);
    }

    fn told(error: &EksaError) -> String {
        let why = std::error::Error::source(error).map(ToString::to_string);
        format!("{error}: {}; {}", why.unwrap_or_default(), error.hint_text().unwrap_or_default())
    }

    #[test_case("1-34", "raw", &["ova (v1.64.0) and ami (v1.64.0) only", "there is Bottlerocket for 1-28;"]; "no raw image")]
    #[test_case("1-99", "ova", &["the channels 1-28 to 1-36", "--version"]; "no channel")]
    fn a_channel_that_has_none_is_told_with_what_there_is(channel: &str, format: &str, words: &[&str]) {
        let error = choose(channel, format, None, None).unwrap_err();
        for word in words {
            assert!(told(&error).contains(word), "{}", told(&error));
        }
        assert_eq!(error.kind(), EksaErrorKind::Usage);
    }

    #[test_case(Some("latest"), None, "three numbers")]
    #[test_case(Some("1.2"), None, "three numbers")]
    #[test_case(Some("1.2.3/../.."), None, "three numbers")]
    #[test_case(None, Some("../../x-k8s-1.34"), "are called like")]
    #[test_case(None, Some("x..-k8s-1.34"), "are called like"; "dots")]
    #[test_case(None, Some(""), "are called like"; "nothing")]
    #[test_case(None, Some("vmware-k8s-1.33"), "`-k8s-1.34`")]
    fn what_cannot_be_is_refused(version: Option<&str>, variant: Option<&str>, words: &str) {
        let error = choose("1-34", "ova", version, variant).unwrap_err();
        assert!(told(&error).contains(words), "{}", told(&error));
    }

    #[test]
    fn other_versions_are_listed_newest_first() {
        let name = choose("1-34", "ova", None, None).unwrap();
        let file = |version: &str| format!("bottlerocket-vmware-k8s-1.34-x86_64-{version}.ova");
        let files =
            [file("v1.9.0"), file("v1.10.0"), "bottlerocket-vmware-k8s-1.34-x86_64-v1.64.0.ova.sig".into()];
        assert_eq!(name.others(files.iter().map(String::as_str)), ["v1.10.0", "v1.9.0"]);
    }

    #[test]
    fn every_channel_of_the_table_is_one() {
        for (name, ..) in RELEASES {
            let channel: Channel = name.parse().unwrap();
            assert_eq!(channel.to_string(), *name);
            assert!(bottlerocket_of(channel).len() >= 2);
        }
    }
}
