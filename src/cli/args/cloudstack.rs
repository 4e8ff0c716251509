//! What the user may say about a cloud that CloudStack manages.
use super::{examples, name_and_value};
use crate::{cloudstack::Thumbprint, publish::cloudstack::At, value::HumanDuration};
use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

/// Which cloud, as whom, and how it is known to be the one that is meant.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Cloud")]
pub(in crate::cli) struct CloudArgs {
    /// Address of the API, such as https://cloud.example.com/client/api [default: CLOUDSTACK_ENDPOINT, or that of a file]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(in crate::cli) endpoint: Option<String>,
    /// The API key of a user [default: CLOUDSTACK_KEY, or that of a file]
    #[arg(long, value_name = "KEY")]
    pub(in crate::cli) api_key: Option<String>,
    /// The secret key is the first line of this file [default: CLOUDSTACK_SECRET, or that of a file]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) secret_file: Option<PathBuf>,
    /// Take address and keys from this file, as the client `cs` has it [default: ./cloudstack.ini, ~/.cloudstack.ini]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Take them from this section of it [default: CLOUDSTACK_REGION, or `cloudstack`]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) region: Option<String>,
    /// Trust the authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, group = "trust")]
    pub(in crate::cli) ca_file: Option<PathBuf>,
    /// Trust the API's certificate with this fingerprint, SHA-1 or SHA-256, and no other
    #[arg(long, value_name = "HEX", group = "trust")]
    pub(in crate::cli) thumbprint: Option<Thumbprint>,
    /// Trust any certificate: whoever is on the way can make calls in your name
    #[arg(long, group = "trust")]
    pub(in crate::cli) insecure: bool,
    /// The project whose template it is
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) project: Option<String>,
    /// How long the cloud may take until the template is ready
    #[arg(long, value_name = "DURATION", default_value = "6h")]
    pub(in crate::cli) timeout: Option<HumanDuration>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PublishCloudStack {
    /// The disk: QCOW2, OVA or VHD
    #[arg(value_name = "IMAGE", value_hint = ValueHint::FilePath, required_unless_present = "url", conflicts_with = "url")]
    pub(in crate::cli) image: Option<PathBuf>,
    /// Have the cloud fetch the image from here; it unpacks .gz, .bz2 and .zip
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(in crate::cli) url: Option<url::Url>,
    /// Have the cloud fetch the disk from this host, for storage VMs that take no uploads but reach it [default: the address from which this
    /// host goes to the cloud, and port 8080; CloudStack fetches from 80, 8080 and 443 only]
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, default_missing_value = "", require_equals = true, requires = "image")]
    pub(in crate::cli) serve: Option<At>,
    /// What is at the address: qcow2, ova or vhd [default: by its end]
    #[arg(long, value_name = "FORMAT", requires = "url")]
    pub(in crate::cli) format: Option<String>,
    /// The checksum of what is at the address, which the cloud compares: sha256:… or md5:…
    #[arg(long, value_name = "CHECKSUM", requires = "url", value_parser = checksum)]
    pub(in crate::cli) checksum: Option<String>,
    /// What to call the template [default: the name of the file, without its end]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    /// What people read of it [default: its name]
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) description: Option<String>,
    /// The zone; may be repeated: a file goes to the first, and is copied from there [default: the only one]
    #[arg(long = "zone", value_name = "NAME")]
    pub(in crate::cli) zones: Vec<String>,
    /// The hypervisor [default: the zone's that takes the format]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) hypervisor: Option<String>,
    /// The type of system, as the cloud calls it [default: Other Linux (64-bit)]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) os_type: Option<String>,
    /// Let all accounts use it
    #[arg(long)]
    pub(in crate::cli) public: bool,
    /// Show it first
    #[arg(long)]
    pub(in crate::cli) featured: bool,
    /// Let it be downloaded
    #[arg(long)]
    pub(in crate::cli) extractable: bool,
    /// Let this account of the same domain use it; may be repeated
    #[arg(long = "share-with", value_name = "ACCOUNT")]
    pub(in crate::cli) accounts: Vec<String>,
    /// Let this project use it; may be repeated
    #[arg(long = "share-with-project", value_name = "NAME")]
    pub(in crate::cli) projects: Vec<String>,
    /// Passwords can be set for its machines
    #[arg(long)]
    pub(in crate::cli) password_enabled: bool,
    /// Keys can be set for its machines
    #[arg(long)]
    pub(in crate::cli) ssh_key_enabled: bool,
    /// Its machines can get more memory and processors while they run
    #[arg(long)]
    pub(in crate::cli) dynamically_scalable: bool,
    /// Its machines have what the OVA says (VMware)
    #[arg(long)]
    pub(in crate::cli) deploy_as_is: bool,
    /// Set this tag; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = name_and_value)]
    pub(in crate::cli) tags: Vec<(String, String)>,
    /// Set this detail for its machines, such as rootDiskController=scsi; may be repeated
    #[arg(long = "detail", value_name = "KEY=VALUE", value_parser = name_and_value)]
    pub(in crate::cli) details: Vec<(String, String)>,
    /// Take the place of the template of this name that an earlier `publish` made
    #[arg(long)]
    pub(in crate::cli) replace: bool,
    #[command(flatten)]
    pub(in crate::cli) cloud: CloudArgs,
}

/// What can be done with templates.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CloudStack {
    /// Download the file of a template
    #[command(
        long_about = "Download the file of a template.\n\n\
            The cloud puts it where it can be fetched, which takes its time; the template must be extractable. The file has its name when it is \
            whole, and its SHA-256 is compared where the cloud tells one.",
        after_help = examples(&[
            ("goldsmith cloudstack download web-1 -o web.qcow2", "by its name"),
            ("goldsmith cloudstack download web-1 -o web.qcow2 --zone a --json | tail -1 | jq -r .sha256", "for scripts"),
        ]),
    )]
    Download(Box<DownloadCloudStack>),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DownloadCloudStack {
    /// The template, by name or identifier
    #[arg(value_name = "TEMPLATE")]
    pub(in crate::cli) template: String,
    /// The file to make
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) output: PathBuf,
    /// The zone [default: any where it is ready]
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) zone: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) cloud: CloudArgs,
}

/// A checksum in the API's form: `{SHA-256}…`.
fn checksum(text: &str) -> Result<String, String> {
    const KINDS: [(&str, &str, usize); 3] =
        [("sha256", "SHA-256", 64), ("sha512", "SHA-512", 128), ("md5", "MD5", 32)];
    let wrong = || "write sha256:, sha512: or md5:, and hexadecimal digits".to_owned();
    let (kind, digits) = text.split_once(':').ok_or_else(wrong)?;
    let (_, name, length) = KINDS.iter().find(|(known, ..)| *known == kind).ok_or_else(wrong)?;
    if digits.len() != *length || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("{kind} has {length} hexadecimal digits"));
    }
    Ok(format!("{{{name}}}{}", digits.to_lowercase()))
}
