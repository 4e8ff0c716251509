//! What the user may say about AMIs that exist.
use super::{AccountArgs, AmiTest, examples, name_and_value};
use crate::{
    publish::ami::{Pattern, Which},
    value::{HumanDuration, Secret},
};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use jiff::Timestamp;
use std::{collections::BTreeSet, convert::Infallible, path::PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Ami {
    #[command(subcommand)]
    pub(in crate::cli) command: AmiCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AmiCommand {
    /// Show what an AMI is, where its copies are, and who may use it
    #[command(after_help = examples(&[
        ("goldsmith ami show ami-0123456789abcdef0", "one image in the profile's region"),
        ("goldsmith ami show 'web-*' --regions all", "own images by name, everywhere"),
    ]))]
    Show(AmiShow),
    /// Copy AMIs to other regions, share them, and write tables of what is where
    #[command(
        long_about = "Copy AMIs to other regions, share them, and write tables of what is where.\n\n\
            All regions are copied to at once, and each is waited for with patience: a copy that takes long is never removed. \
            Copies are found again by their name, so that the same command goes on after an interruption, and does only what is \
            missing. The source is shared last, when all copies are done. What failed in one region is told at the end; the others' \
            results are not lost.",
        after_help = examples(&[
            ("goldsmith ami copy ami-0123456789abcdef0 --to eu-west-1,eu-west-2", "two copies"),
            ("goldsmith ami copy ami-0123… ami-0fed… --except me-south-1 --public --csv amis.csv --markdown amis.md", "release"),
            ("goldsmith ami copy ami-0123… --kms eu-west-1=alias/images --account 123456789012", "encrypted, for one account"),
            ("goldsmith ami copy ami-0123… --to all --deprecate-after 180d --protect", "with an end, and safe until then"),
        ]),
    )]
    Copy(Box<AmiCopy>),
    /// Let parameters of Systems Manager name the AMIs of a release
    #[command(after_help = examples(&[
        ("goldsmith ami channel set ami-0123… --channel candidate --parameter '/org/web/{channel}/{arch}/image_id'", ""),
        ("goldsmith ami channel validate ami-0123… --channel candidate --parameter '/org/web/{channel}/{arch}/image_id'", ""),
        ("goldsmith ami channel promote --from candidate --channel stable --parameter '/org/web/{channel}/{arch}/image_id'", ""),
    ]))]
    Channel(AmiChannel),
    /// Merge the reports of several copies into tables
    #[command(after_help = examples(&[
        ("goldsmith ami copy ami-0123… --json > x86_64.json", "in one job"),
        ("goldsmith ami table x86_64.json aarch64.json --csv amis.csv --markdown amis.md", "in the next"),
    ]))]
    Table(AmiTable),
    /// Start an instance from an AMI, and check it from inside
    #[command(
        long_about = "Start an instance from an AMI, and check it from inside.\n\n\
            With a definition, everything is checked that follows from its steps, as at the end of a build; without one, that it boots \
            without failed units. The AMI is not changed, and instance, key pair and security group go afterwards.",
        after_help = examples(&[
            ("goldsmith ami test ami-0123456789abcdef0", "does it start, and let us in?"),
            ("goldsmith ami test ami-0123… --definition web.toml", "does it hold what it was built for?"),
            ("goldsmith ami test ami-0123… --expect-os-release 'AlmaLinux release 9.6' --up-to-date --packages list.txt", "a release's test"),
            ("goldsmith ami test ami-0123… --instance-type t4g.medium --ssh private --subnet subnet-0123456789abcdef0", "in a network of your own"),
        ]),
    )]
    Test(Box<AmiTest>),
    /// Export an AMI to S3 as a disk, and download it
    #[command(after_help = examples(&[
        ("goldsmith ami export ami-0123… --to s3://bucket/exports/", "raw, as Snow devices want it"),
        ("goldsmith ami export ami-0123… --to s3://bucket/exports/ --download .", "and bring it here, with its SHA-256"),
    ]))]
    Export(AmiExport),
    /// Remove old AMIs with their snapshots, and what dead builds left in the account
    #[command(
        long_about = "Remove old AMIs with their snapshots, and what dead builds left in the account.\n\n\
            Without `--execute`, it only says what would go and why the rest stays. What instances, launch templates or parameters of \
            Systems Manager use stays, and so does what is protected from deregistration or has the tag `goldsmith:keep`. \
            Snapshots go with their AMI, unless another AMI uses them. Launch configurations and other accounts are not looked at.",
        after_help = examples(&[
            ("goldsmith ami gc --name 'web-*' --keep 3", "what would go, in all regions"),
            ("goldsmith ami gc --name 'web-*' --keep 3 --older-than 30d --execute", "remove it"),
            ("goldsmith ami gc --name 'capa-ami-*' --keep-minors kubernetes_version=3", "the newest three minor versions stay"),
            ("goldsmith ami gc --tag 'kubernetes_version=*1.28*' --keep 0 --execute", "all of one version"),
            ("goldsmith ami gc --leftovers --older-than 2d", "instances, volumes, … of builds whose host is gone"),
        ]),
    )]
    Gc(AmiGc),
}

/// Which regions; the session's own is said by `--region`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Regions")]
pub(in crate::cli) struct RegionsArgs {
    /// These regions, separated by commas, or `all` that are enabled
    #[arg(
        long,
        visible_alias = "to",
        value_name = "REGIONS",
        value_delimiter = ',',
        conflicts_with = "except"
    )]
    pub(in crate::cli) regions: Vec<String>,
    /// All enabled regions but these
    #[arg(long, value_name = "REGIONS", value_delimiter = ',')]
    pub(in crate::cli) except: Vec<String>,
}

impl RegionsArgs {
    /// What is meant; `None` when nothing was said.
    pub(in crate::cli) fn which(&self) -> Option<Which> {
        let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        match (&self.regions[..], &self.except[..]) {
            ([], []) => None,
            ([], except) => Some(Which::Except(set(except))),
            ([all], _) if all == "all" => Some(Which::All),
            (regions, _) => Some(Which::Only(set(regions))),
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AmiShow {
    /// An id, or the name of own images, in which `*` and `?` stand for any characters
    #[arg(value_name = "AMI")]
    pub(in crate::cli) ami: String,
    #[command(flatten)]
    pub(in crate::cli) regions: RegionsArgs,
    #[command(flatten)]
    pub(in crate::cli) account: AccountArgs,
}

/// Who may use the images.
#[derive(Debug, Args)]
#[command(next_help_heading = "Who may use them")]
pub(in crate::cli) struct AudienceArgs {
    /// Everybody, and the snapshots as well
    #[arg(long)]
    pub(in crate::cli) public: bool,
    /// An account, by its twelve digits; may be repeated
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(in crate::cli) account: Vec<String>,
    /// An organisation, by its ARN; may be repeated. Snapshots cannot be shared with it
    #[arg(long, value_name = "ARN")]
    pub(in crate::cli) organization: Vec<String>,
    /// An organisational unit, by its ARN; may be repeated. Snapshots cannot be shared with it
    #[arg(long = "ou", value_name = "ARN")]
    pub(in crate::cli) unit: Vec<String>,
    /// Share the images only, not their snapshots
    #[arg(long)]
    pub(in crate::cli) no_snapshots: bool,
    /// Take away the account's block of public access where it is in the way
    #[arg(long, requires = "public")]
    pub(in crate::cli) lift_public_access_block: bool,
    /// Put it back afterwards; what is public then stays so
    #[arg(long, requires = "lift_public_access_block")]
    pub(in crate::cli) restore_public_access_block: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AmiCopy {
    /// AMIs in the profile's region, such as one for each architecture
    #[arg(required = true, value_name = "AMI")]
    pub(in crate::cli) amis: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) regions: RegionsArgs,
    /// Encrypt the copies with the key that the account uses by default
    #[arg(long)]
    pub(in crate::cli) encrypt: bool,
    /// Encrypt the copy in a region with this key; may be repeated
    #[arg(long, value_name = "REGION=KEY", value_parser = name_and_value)]
    pub(in crate::cli) kms: Vec<(String, String)>,
    #[command(flatten)]
    pub(in crate::cli) audience: AudienceArgs,
    /// Offer copies and source to nobody from this day or moment on (UTC); who knows them can use them still
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "deprecate_after")]
    pub(in crate::cli) deprecate_at: Option<Timestamp>,
    /// The same, counted from now, such as `180d`
    #[arg(long, value_name = "DURATION")]
    pub(in crate::cli) deprecate_after: Option<HumanDuration>,
    /// Protect copies and source from deregistration
    #[arg(long)]
    pub(in crate::cli) protect: bool,
    /// Once taken away, the protection holds for another day
    #[arg(long, requires = "protect")]
    pub(in crate::cli) protect_cooldown: bool,
    /// Wait so long for each copy. EC2 copies on when it is over
    #[arg(long, value_name = "DURATION", default_value = "6h")]
    pub(in crate::cli) timeout: HumanDuration,
    #[command(flatten)]
    pub(in crate::cli) tables: TableArgs,
    /// Tell a webhook of Mattermost or Slack; better said by the environment, or by a file
    #[arg(long, value_name = "URL", value_parser = secret, env = "GOLDSMITH_WEBHOOK", hide_env = true, help_heading = "Tables and messages")]
    pub(in crate::cli) webhook: Option<Secret>,
    /// Read the webhook's address from a file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "webhook", help_heading = "Tables and messages")]
    pub(in crate::cli) webhook_file: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) account: AccountArgs,
}

/// Files about what is where.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Tables and messages")]
pub(in crate::cli) struct TableArgs {
    /// Write a table as CSV, as AlmaLinux's wiki takes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) csv: Option<PathBuf>,
    /// Write a table as Markdown, as AlmaLinux's wiki takes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) markdown: Option<PathBuf>,
    /// Write ids by region as JSON, as ComboAMI's `ami_ids.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) ami_ids: Option<PathBuf>,
    /// Add the images to a `manifest.json` as Packer writes it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) manifest: Option<PathBuf>,
    /// The distribution in tables [default: the words of the image's name before its version]
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) distribution: Option<String>,
    /// The version in tables [default: the image's tag `Version`, or the first word of its name that begins with a digit]
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) release: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AmiTable {
    /// What `goldsmith ami copy --json` printed
    #[arg(required = true, value_name = "REPORT", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) reports: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) tables: TableArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AmiChannel {
    #[command(subcommand)]
    pub(in crate::cli) command: ChannelCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ChannelCommand {
    /// Let a channel's parameters name AMIs, in each region the copy there
    Set {
        /// AMIs in the profile's region, such as one for each architecture
        #[arg(required = true, value_name = "AMI")]
        amis: Vec<String>,
        /// Change parameters that name other AMIs
        #[arg(long)]
        overwrite: bool,
        #[command(flatten)]
        channel: ChannelArgs,
    },
    /// Compare a channel's parameters in all regions with what they should name; changes nothing
    Validate {
        /// AMIs in the profile's region, such as one for each architecture
        #[arg(required = true, value_name = "AMI")]
        amis: Vec<String>,
        #[command(flatten)]
        channel: ChannelArgs,
    },
    /// Let a channel's parameters name what another channel's name, in all regions or in none
    Promote {
        /// The channel to take them from
        #[arg(long, value_name = "CHANNEL")]
        from: String,
        /// Architectures, in EC2's words
        #[arg(long, value_name = "ARCH", value_delimiter = ',', default_values = ["x86_64", "arm64"])]
        arch: Vec<String>,
        #[command(flatten)]
        channel: ChannelArgs,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ChannelArgs {
    /// The channel, such as `candidate` or `stable`
    #[arg(long, value_name = "CHANNEL")]
    pub(in crate::cli) channel: String,
    /// Names of the parameters, with `{channel}`, `{arch}` and `{name}`: `/org/{name}/{channel}/{arch}/image_id`
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) parameter: Pattern,
    /// What stands for `{name}`
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) regions: RegionsArgs,
    #[command(flatten)]
    pub(in crate::cli) account: AccountArgs,
}

/// What EC2 exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExportFormat {
    /// A plain disk
    Raw,
    /// VMware's
    Vmdk,
    /// Microsoft's
    Vhd,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AmiExport {
    /// The AMI in the profile's region
    #[arg(value_name = "AMI")]
    pub(in crate::cli) ami: String,
    /// Where to: a bucket in the same region, and what the object's name begins with
    #[arg(long, value_name = "s3://BUCKET/PREFIX", value_parser = bucket)]
    pub(in crate::cli) to: (String, String),
    /// As what
    #[arg(long, value_enum, default_value_t = ExportFormat::Raw)]
    pub(in crate::cli) format: ExportFormat,
    /// The role with which EC2 writes to the bucket [default: vmimport]
    #[arg(long, value_name = "ROLE")]
    pub(in crate::cli) role: Option<String>,
    /// Download the disk into this folder, with its SHA-256 beside it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(in crate::cli) download: Option<PathBuf>,
    /// Wait so long for EC2. It exports on when it is over
    #[arg(long, value_name = "DURATION", default_value = "6h")]
    pub(in crate::cli) timeout: HumanDuration,
    #[command(flatten)]
    pub(in crate::cli) account: AccountArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct AmiGc {
    /// Images of this name are meant; `*` and `?` stand for any characters. May be repeated: each has its own newest ones
    #[arg(long, value_name = "PATTERN")]
    pub(in crate::cli) name: Vec<String>,
    /// And with this tag; `*` and `?` work in its value. May be repeated
    #[arg(long, value_name = "KEY=PATTERN", value_parser = name_and_value)]
    pub(in crate::cli) tag: Vec<(String, String)>,
    /// So many of the newest stay, for each name and architecture
    #[arg(long, value_name = "N")]
    pub(in crate::cli) keep: Option<usize>,
    /// Images whose version in this tag is of the newest N minor versions stay; `--keep` then counts in each of those
    #[arg(long, value_name = "TAG=N", value_parser = minors)]
    pub(in crate::cli) keep_minors: Option<(String, usize)>,
    /// What is younger stays
    #[arg(long, value_name = "DURATION")]
    pub(in crate::cli) older_than: Option<HumanDuration>,
    /// Also images that goldsmith did not make
    #[arg(long)]
    pub(in crate::cli) not_ours: bool,
    /// Remove them; without this, they are only listed
    #[arg(long)]
    pub(in crate::cli) execute: bool,
    /// Not images, but what builds left whose journal is on no host any more
    #[arg(long, requires = "older_than", conflicts_with_all = ["name", "tag", "keep", "keep_minors", "not_ours"])]
    pub(in crate::cli) leftovers: bool,
    #[command(flatten)]
    pub(in crate::cli) regions: RegionsArgs,
    #[command(flatten)]
    pub(in crate::cli) account: AccountArgs,
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants it")]
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    text.parse::<jiff::civil::Date>()
        .ok()
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|zoned| zoned.timestamp())
        .ok_or_else(|| "write a day or a moment: `2027-06-30` or `2027-06-30T12:00:00Z`".to_owned())
}

fn bucket(text: &str) -> Result<(String, String), String> {
    let rest = text.strip_prefix("s3://").ok_or("write s3://BUCKET/PREFIX")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    if (3..=63).contains(&bucket.len()) && bucket.chars().all(fits) {
        Ok((bucket.to_owned(), prefix.to_owned()))
    } else {
        Err(format!("`{bucket}` is no bucket: 3 to 63 lower-case letters, digits, `.` and `-`"))
    }
}

fn minors(text: &str) -> Result<(String, usize), String> {
    let (tag, count) = text.rsplit_once('=').ok_or("write TAG=N")?;
    match count.parse() {
        Ok(count) if count > 0 && !tag.is_empty() => Ok((tag.to_owned(), count)),
        _ => Err("write TAG=N, with N of 1 at least".to_owned()),
    }
}
