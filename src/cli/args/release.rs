//! What the user may say about releases of EKS Anywhere.
use super::examples;
#[cfg(feature = "tuf")]
use crate::{eksa::ImageFormat, value::Digest};
use crate::{
    eksa::{Channel, Said},
    value::Arch,
};
#[cfg(feature = "tuf")]
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// Which manifests, and how far they are trusted.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Manifests")]
pub(in crate::cli) struct ManifestArgs {
    /// Take the release manifest from this address or file [default: EKSA_RELEASE_MANIFEST_URL, or Amazon's]
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::Url)]
    pub(in crate::cli) manifest_url: Option<String>,
    /// Take the manifests from this tar, which `goldsmith download manifests` wrote
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "manifest_url")]
    pub(in crate::cli) manifest_tarball: Option<PathBuf>,
    /// Ask no server: take the copies of the last time
    #[arg(long)]
    pub(in crate::cli) offline: bool,
    /// Refuse manifests of a bundle and of EKS-D that Amazon did not sign
    #[arg(long)]
    pub(in crate::cli) require_signature: bool,
}

impl ManifestArgs {
    /// The same with a release.
    pub(in crate::cli) fn said(&self, release: Option<&String>) -> Said {
        Said {
            manifest: self.manifest_url.clone(),
            tarball: self.manifest_tarball.clone(),
            release: release.cloned(),
            offline: self.offline,
            signed_only: self.require_signature,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Release {
    /// List the releases, or the release channels of one
    #[command(after_help = examples(&[
        ("goldsmith release list", "the releases of EKS Anywhere"),
        ("goldsmith release list latest", "the Kubernetes channels of the latest"),
    ]))]
    List(ListReleases),
    /// Show all that a release has for a channel, with digests
    #[command(after_help = examples(&[
        ("goldsmith release show 1-34", "of the latest release"),
        ("goldsmith release show 1.34 --eksa-release v0.26.0 --sizes", "of another, and how large the files are"),
        ("goldsmith release show 1-34 --json | jq -r .eksd.name", "what a template in a vCenter is tagged with"),
    ]))]
    Show(ShowRelease),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListReleases {
    /// The release whose channels are listed, such as v0.26.0, or `latest` [default: list the releases]
    #[arg(value_name = "RELEASE")]
    pub(in crate::cli) release: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) manifests: ManifestArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowRelease {
    /// The release channel: 1-34 or 1.34
    #[arg(value_name = "CHANNEL", value_parser = channel)]
    pub(in crate::cli) channel: Channel,
    /// The release of EKS Anywhere, such as v0.26.0 [default: EKSA_RELEASE_VERSION, or the latest]
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) eksa_release: Option<String>,
    /// Ask the servers how large the files are
    #[arg(long, conflicts_with = "offline")]
    pub(in crate::cli) sizes: bool,
    #[command(flatten)]
    pub(in crate::cli) manifests: ManifestArgs,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Download {
    /// Download HookOS, from which bare metal starts: kernel and initial RAM disk
    #[command(
        long_about = "Download HookOS, from which bare metal starts: kernel and initial RAM disk.\n\n\
            The files get the names under which EKS Anywhere asks for them below `hookImagesURLPath`. An interrupted download goes on. \
            Amazon publishes no digests of these files; the digest of what came is told.",
        after_help = examples(&[
            ("goldsmith download hook -o /srv/www/hook", "for both architectures, of the latest release"),
            ("goldsmith download hook --arch amd64 --eksa-release v0.26.0 -o hook", "for one, of another release"),
        ])
    )]
    Hook(DownloadHook),
    /// Collect all manifests in a tar, for places without a network
    #[command(
        long_about = "Collect all manifests in a tar, for places without a network.\n\n\
            In it are the release manifest, the bundles of all releases, and the EKS-D of each channel of the latest, under the names that EKS \
            Anywhere's own tool gives them. `--manifest-tarball` takes it. The same manifests are the same tar, byte for byte.",
        after_help = examples(&[
            ("goldsmith download manifests", "all of them"),
            ("goldsmith download manifests --eksa-release v0.26.0 -o m.tar", "of one release"),
            ("goldsmith release show 1-34 --manifest-tarball eks-a-manifests.tar", "there"),
        ])
    )]
    Manifests(DownloadManifests),
    /// Collect the files that a node is made of, for a server without a network
    #[command(
        long_about = "Collect the files that a node is made of, for a server without a network.\n\n\
            Below DIR, `eks-a-artifacts` has containerd, crictl and etcdadm, and `eks-d-artifacts` the programs, archives and images of EKS-D, each at the path of \
            its address and with its digest in `.sha256` beside it. What is there and right is left alone.",
        after_help = examples(&[
            ("goldsmith download artifacts --release-channel 1-34 -o /srv/www", "of the latest release"),
            ("goldsmith download artifacts --release-channel 1-34 --eksa-release v0.26.0 -o www", "of another"),
        ])
    )]
    Artifacts(DownloadArtifacts),
    /// Download Bottlerocket for the nodes of a release channel, verified by its publisher's signatures
    #[cfg(feature = "tuf")]
    #[command(
        long_about = "Download Bottlerocket for the nodes of a release channel, verified by its publisher's signatures.\n\n\
            Bottlerocket is published in repositories of The Update Framework. Who may sign there is told by a root whose digest goldsmith knows; signatures, dates and versions \
            are checked from there to the file, and nobody can show an older state than the one that was seen before. An OVA stays as it is (`bottlerocket.ova`); \
            disks for bare metal and for Amazon's cloud become `bottlerocket.img.gz`. Digests are beside them. An interrupted download goes on.",
        after_help = examples(&[
            ("goldsmith download bottlerocket --release-channel 1-34 --format ova", "for vSphere"),
            ("goldsmith download bottlerocket --release-channel 1-28 --format raw", "for bare metal"),
            ("goldsmith download bottlerocket --release-channel 1-34 --format ami", "for Amazon's cloud"),
        ])
    )]
    Bottlerocket(DownloadBottlerocket),
}

#[cfg(feature = "tuf")]
#[derive(Debug, Args)]
pub(in crate::cli) struct DownloadBottlerocket {
    /// The release channel: 1-34 or 1.34
    #[arg(long, value_name = "CHANNEL", value_parser = channel)]
    pub(in crate::cli) release_channel: Channel,
    /// For vSphere, for bare metal, or for Amazon's cloud
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(["ova", "raw", "ami"]).try_map(|text| text.parse::<ImageFormat>()))]
    pub(in crate::cli) format: ImageFormat,
    /// Write the image to this folder; it is made if it is missing
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = ".")]
    pub(in crate::cli) output: PathBuf,
    /// The version of Bottlerocket, such as v1.64.0 [default: the one that EKS Anywhere means for the channel]
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) version: Option<String>,
    /// The variant, such as aws-k8s-1.34-nvidia [default: vmware-, metal- or aws-k8s-VERSION]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) variant: Option<String>,
    /// For nodes of this architecture: amd64 or arm64 [default: amd64]
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(in crate::cli) arch: Option<Arch>,
    /// Ask no server: take what came the last time
    #[arg(long)]
    pub(in crate::cli) offline: bool,
    /// The folder of the repository's metadata [default: Bottlerocket's, for variant and architecture]
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::Url, help_heading = "Repository")]
    pub(in crate::cli) metadata_url: Option<String>,
    /// The folder of the repository's files [default: Bottlerocket's]
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::Url, help_heading = "Repository")]
    pub(in crate::cli) targets_url: Option<String>,
    /// The root to begin with: a file, which you vouch for, or an address with `--root-digest` [default: Bottlerocket's]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Repository")]
    pub(in crate::cli) root: Option<String>,
    /// What the root must be: sha512:… or sha256:… [default: the digest of Bottlerocket's]
    #[arg(long, value_name = "DIGEST", value_parser = digest, help_heading = "Repository")]
    pub(in crate::cli) root_digest: Option<Digest>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DownloadArtifacts {
    /// The release channel: 1-34 or 1.34
    #[arg(long, value_name = "CHANNEL", value_parser = channel)]
    pub(in crate::cli) release_channel: Channel,
    /// Write below this folder; it is made if it is missing
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = ".")]
    pub(in crate::cli) output: PathBuf,
    /// For nodes of this architecture: amd64 or arm64 [default: amd64]
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(in crate::cli) arch: Option<Arch>,
    /// The release of EKS Anywhere, such as v0.26.0 [default: EKSA_RELEASE_VERSION, or the latest]
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) eksa_release: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) manifests: ManifestArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DownloadManifests {
    /// Write the tar here
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, default_value = "eks-a-manifests.tar")]
    pub(in crate::cli) output: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// Only of this release of EKS Anywhere, such as v0.26.0 [default: EKSA_RELEASE_VERSION, or all releases]
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) eksa_release: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) manifests: ManifestArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DownloadHook {
    /// For machines of this architecture: amd64 or arm64; may be repeated [default: both]
    #[arg(long = "arch", value_name = "ARCH", value_parser = arch)]
    pub(in crate::cli) arches: Vec<Arch>,
    /// Write the files to this folder; it is made if it is missing
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(in crate::cli) output: PathBuf,
    /// The release of EKS Anywhere, such as v0.26.0 [default: EKSA_RELEASE_VERSION, or the latest]
    #[arg(long, value_name = "VERSION")]
    pub(in crate::cli) eksa_release: Option<String>,
    /// HookOS of this release channel [default: the first of the bundle; they are all the same, usually]
    #[arg(long, value_name = "CHANNEL", value_parser = channel)]
    pub(in crate::cli) release_channel: Option<Channel>,
    #[command(flatten)]
    pub(in crate::cli) manifests: ManifestArgs,
}

pub(super) fn channel(text: &str) -> Result<Channel, String> {
    text.parse::<Channel>().map_err(|error| error.to_string())
}

fn arch(text: &str) -> Result<Arch, String> {
    match text {
        "amd64" | "x86_64" => Ok(Arch::X86_64),
        "arm64" | "aarch64" => Ok(Arch::Aarch64),
        _ => Err("write `amd64` or `arm64`".to_owned()),
    }
}

#[cfg(feature = "tuf")]
fn digest(text: &str) -> Result<Digest, String> {
    text.parse::<Digest>().map_err(|error| error.to_string())
}
