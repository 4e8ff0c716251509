//! The command line: what the user may say. What it means is decided by the commands.
#[cfg(feature = "aws")]
mod ami;
#[cfg(feature = "aws")]
mod ami_test;
#[cfg(feature = "aws")]
mod aws;
mod bundle;
mod capi;
mod cloudstack;
mod door;
mod image_builder;
#[cfg(feature = "aws")]
mod marketplace;
mod nutanix;
mod offline;
mod publish;
#[cfg(feature = "aws")]
mod publish_ami;
mod release;
mod select;
mod vsphere;
mod vsphere_commands;
mod vsphere_export;
mod vsphere_library;

#[cfg(feature = "aws")]
pub(super) use ami::*;
#[cfg(feature = "aws")]
pub(super) use ami_test::*;
#[cfg(feature = "aws")]
pub(super) use aws::*;
pub(super) use bundle::*;
pub(super) use capi::*;
pub(super) use cloudstack::*;
pub(super) use door::DoorArgs;
pub(super) use image_builder::{Doing, ImageBuilder, is_image_builder};
#[cfg(feature = "aws")]
pub(super) use marketplace::*;
pub(super) use nutanix::*;
pub(super) use offline::*;
pub(super) use publish::*;
#[cfg(feature = "aws")]
pub(super) use publish_ami::*;
pub(super) use release::*;
pub(super) use select::Selection;
pub(super) use vsphere::*;
pub(super) use vsphere_commands::*;
pub(super) use vsphere_export::*;
pub(super) use vsphere_library::*;

use super::{
    env::VARIABLES,
    outputs::{self, OutputArg},
};
use crate::{
    build::OnError,
    disk::{OutputFormat, Qcow2Compression, Stated},
    plan::Accelerator,
    value::Size,
};
use anstyle::{AnsiColor, Style};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint, builder::Styles};
use std::{fmt::Write as _, path::PathBuf};

const HEADER: Style = AnsiColor::Green.on_default().bold();
const LITERAL: Style = AnsiColor::Cyan.on_default().bold();
const PLACEHOLDER: Style = AnsiColor::Cyan.on_default();

const STYLES: Styles =
    Styles::styled().header(HEADER).usage(HEADER).literal(LITERAL).placeholder(PLACEHOLDER);

/// Builds, proves and delivers golden VM images.
#[derive(Debug, Parser)]
#[command(
    name = "goldsmith",
    version,
    long_about = "Builds, proves and delivers golden VM images.\n\n\
        A definition is a TOML file that says where an image comes from, what is done to it, and which files come out. \
        Goldsmith boots a machine, provisions it over SSH, seals it, converts the disk, and boots every result once \
        more to prove that it is what the definition says.",
    styles = STYLES,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 100,
    after_help = examples(&[
        ("goldsmith init web", "write web.toml, a definition to start from"),
        ("goldsmith doctor web.toml", "see what this host lacks for it"),
        ("goldsmith build web.toml", "build it"),
    ]),
    after_long_help = top_level_footer(),
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Show more: the guest's output, every check, everything that is removed
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(super) verbose: bool,
    /// Show only warnings and errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Print results as JSON on stdout; `build` and `convert` print one event a line
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// When to use colours: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorWhen::Auto, hide_possible_values = true)]
    pub(super) color: ColorWhen,
    /// The same as `--color never`
    #[arg(long, global = true, overrides_with = "color")]
    pub(super) no_color: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal, unless the environment says otherwise
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build images from definitions
    #[command(after_help = examples(&[
        ("goldsmith build web.toml", "build, prove and deliver one image"),
        ("goldsmith build web.toml --var release=2026-07 -o out", "fill in a variable, deliver to out/"),
        ("goldsmith build --parallel 2 web.toml db.toml", "build two images at once"),
        ("goldsmith build --only '*-aarch64' web.toml", "some of the builds of a matrix"),
        ("goldsmith build --os ubuntu --hypervisor baremetal …", "a node of EKS Anywhere"),
        ("goldsmith build --on-error shell web.toml", "look around in the guest when a step fails"),
        ("goldsmith build --offline --bundle site.bundle web.toml", "without a network, from what was collected"),
        ("goldsmith build --json web.toml | jq -r .event", "follow a build from a script"),
    ]))]
    Build(Build),
    /// Prove an image that exists: look into it, boot it, and check it against a definition
    #[command(after_help = examples(&[
        ("goldsmith verify web.qcow2 --definition web.toml", "does it still hold what it was built for?"),
        ("goldsmith verify node.ova --definition node.toml --json", "one event a line, for scripts"),
    ]))]
    Verify(Verify),
    /// Show what a build would do, fully resolved
    #[command(after_help = examples(&[
        ("goldsmith plan web.toml", "for people"),
        ("goldsmith plan --guest ubuntu-24.04 node.toml", "the steps of roles for this system"),
        ("goldsmith plan --json web.toml", "for scripts; secrets stay placeholders"),
        ("goldsmith plan matrix.toml", "the builds of a matrix"),
        ("goldsmith plan --os ubuntu --hypervisor baremetal …", "the definition of a node"),
    ]))]
    Plan(Plan),
    /// List what builds fetch, file by file, and what cannot be known beforehand
    #[command(
        long_about = "List what builds fetch, file by file, and what cannot be known beforehand.\n\n\
            Each file with its address, size and digest: the base, downloads, container images, and the packages of a bootstrap with \
            all that they depend on. Digests and lists of packages are fetched for that, nothing else.",
        after_help = examples(&[
            ("goldsmith inputs web.toml", "for people"),
            ("goldsmith inputs --guest ubuntu-24.04 node.toml", "of a source that does not say its system"),
            ("goldsmith inputs --json web.toml", "for scripts"),
        ]),
    )]
    Inputs(Inputs),
    /// Check definitions without building
    #[command(after_help = examples(&[("goldsmith validate images/*.toml", "all problems of all files at once")]))]
    Validate(Definitions),
    /// Write a definition to start from
    #[command(after_help = examples(&[
        ("goldsmith init web", "write web.toml: a Debian made from packages"),
        ("goldsmith init web --from disk", "start from a cloud image instead"),
        ("goldsmith init web --stdout", "only look at it"),
    ]))]
    Init(Init),
    /// Convert a disk: one read, every format out
    #[command(
        long_about = "Convert a disk: one read, every format out.\n\n\
            Reads raw, qcow2, VMDK, OVA and VHD, also inside gzip, xz, zstd, lz4 or bzip2, from a file or stdin. Writes any number \
            of outputs from one pass over it, on all cores, with a `.sha256` next to each. Holes are not read and stay holes. \
            Outputs appear under their names when all of them are complete: whatever goes wrong leaves neither a half file \
            nor a temporary one.",
        after_help = examples(&[
            ("goldsmith convert disk.qcow2 -o disk.raw.gz -o disk.ova", "two outputs, one read"),
            ("goldsmith convert x.img.lz4 -o x.raw.gz", "without a copy in between"),
            ("goldsmith convert d.raw -o format=qcow2,compression=zstd,path=d.img", "what a name cannot say"),
            ("goldsmith convert d.qcow2 -o - --format raw.zst | ssh …", "to stdout"),
            ("curl … | goldsmith convert - --input-format raw.gz -o d.qcow2", "from stdin"),
        ]),
    )]
    Convert(Convert),
    /// Show what a disk image or an installer's ISO is, and what is on it
    #[command(after_help = examples(&[
        ("goldsmith inspect disk.qcow2", "size, holes, partitions, system"),
        ("goldsmith inspect debian.iso", "label, firmware, installer, menu; as a disk with `--input-format raw`"),
        ("goldsmith inspect --json disk.raw.gz | jq .partitions", "for scripts; unpacks it first"),
    ]))]
    Inspect(Inspect),
    /// Make an image in a cloud of a disk
    #[cfg_attr(
        feature = "aws",
        command(after_help = examples(&[
            ("goldsmith publish ami web.qcow2 --name web-1 --region eu-west-1", "an AMI of a disk"),
            ("goldsmith publish vsphere web.ova --config vsphere.json --template", "a template of an OVA"),
            ("goldsmith publish cloudstack web.qcow2 --zone zone1", "a template of a disk"),
            ("goldsmith publish nutanix web.qcow2 --config nutanix.json", "an image of a Prism Central"),
        ]))
    )]
    #[cfg_attr(
        not(feature = "aws"),
        command(after_help = examples(&[
            ("goldsmith publish vsphere web.ova --config vsphere.json --template", "a template of an OVA"),
            ("goldsmith publish cloudstack web.qcow2 --zone zone1", "a template of a disk"),
            ("goldsmith publish nutanix web.qcow2 --config nutanix.json", "an image of a Prism Central"),
        ]))
    )]
    Publish {
        #[command(subcommand)]
        what: Publish,
    },
    /// Look after machines and content libraries of a vCenter
    #[command(after_help = examples(&[
        ("goldsmith vsphere export templates/node -o node.ova", "an OVA of a template"),
        ("goldsmith vsphere ls images", "what is in a content library"),
        ("goldsmith vsphere deploy images/node --name node-1", "a machine of an item"),
    ]))]
    Vsphere {
        #[command(subcommand)]
        what: Vsphere,
    },
    /// Look after templates of a cloud that CloudStack manages
    #[command(name = "cloudstack", after_help = examples(&[
        ("goldsmith cloudstack download web-1 -o web.qcow2", "the file of a template"),
    ]))]
    CloudStack {
        #[command(subcommand)]
        what: CloudStack,
    },
    /// Look after images of a Prism Central of Nutanix's
    #[command(after_help = examples(&[
        ("goldsmith nutanix download node-1 -o node.img", "an image as a file"),
    ]))]
    Nutanix {
        #[command(subcommand)]
        what: Nutanix,
    },
    /// Copy, share, name, list, test, export and retire AMIs
    #[cfg(feature = "aws")]
    Ami(Ami),
    /// Release AMIs to Amazon's Marketplace
    #[cfg(feature = "aws")]
    Marketplace(Marketplace),
    /// List releases of EKS Anywhere, and what is in them
    #[command(after_help = examples(&[
        ("goldsmith release list", "the releases"),
        ("goldsmith release show 1-34", "all that the latest has for a channel, with digests"),
    ]))]
    Release {
        #[command(subcommand)]
        what: Release,
    },
    /// Download files of a release of EKS Anywhere
    #[command(after_help = examples(&[
        ("goldsmith download hook -o /srv/www/hook", "HookOS for bare metal"),
        ("goldsmith download manifests", "all manifests in a tar"),
        ("goldsmith download bottlerocket --release-channel 1-34 --format ova", "Bottlerocket for vSphere"),
    ]))]
    Download {
        #[command(subcommand)]
        what: Download,
    },
    /// Collect all that builds fetch in one file, for places without a network
    #[command(after_help = examples(&[
        ("goldsmith bundle create node.toml -o site.bundle", "every input of a build"),
        ("goldsmith bundle create node.toml --since site.bundle -o new.bundle", "only what changed"),
        ("goldsmith bundle list site.bundle", "what is in it"),
        ("goldsmith bundle serve site.bundle", "a mirror of all of it"),
    ]))]
    Bundle {
        #[command(subcommand)]
        what: Bundle,
    },
    /// Write down what every input of a build is, so that `build --locked` refuses others
    #[command(
        long_about = "Write down what every input of a build is, so that `build --locked` refuses others.\n\n\
            Fetches all inputs, and writes their addresses, digests and sizes to `goldsmith.lock` beside each definition. \
            `goldsmith bundle create` does it, too. Builds of other definitions in the same file are left as they are.",
        after_help = examples(&[
            ("goldsmith lock node.toml", "write goldsmith.lock"),
            ("goldsmith build --locked node.toml", "build from these inputs and no others"),
        ])
    )]
    Lock(Lock),
    /// Build what a make target of Cluster API's image-builder builds
    #[command(
        long_about = "Build what a make target of Cluster API's image-builder (kubernetes-sigs/image-builder, images/capi) builds.\n\n\
            The target and its variables become a definition, which is built as any other. Variables come from PACKER_FLAGS and \
            PACKER_VAR_FILES as for `make`, and from the options here. Results lie in ./output, as there.",
        after_help = examples(&[
            ("goldsmith capi build-qemu-ubuntu-2404", "as `make build-qemu-ubuntu-2404`"),
            ("PACKER_VAR_FILES=vars.json goldsmith capi build-ami-ubuntu-2404", "with variables"),
            ("goldsmith capi validate-raw-all", "look at all targets of a group"),
            ("goldsmith capi --print node-ova-local-rhel-9 > node.toml", "the definition, to keep"),
            ("goldsmith capi --list", "all targets, and what is not built and why"),
        ])
    )]
    Capi(Capi),
    /// Remove what interrupted builds left behind
    #[command(
        long_about = "Remove what interrupted builds left behind.\n\n\
            Every build writes down how to remove a thing before it makes it. When a build dies, its journal stays, and \
            this command carries it out. Uploads that were interrupted are removed too. Builds and uploads that still run are \
            never touched, and neither are delivered images, logs and downloads.",
        after_help = examples(&[
            ("goldsmith gc --dry-run", "see what there is"),
            ("goldsmith gc", "remove it"),
        ])
    )]
    Gc(Gc),
    /// Check this host, and say how to mend what is missing
    #[cfg_attr(
        feature = "aws",
        command(after_help = examples(&[
            ("goldsmith doctor", "this host in general"),
            ("goldsmith doctor web.toml", "and whether it can build this definition"),
            ("goldsmith doctor --aws web.toml > policy.json", "what it needs at Amazon's"),
            ("goldsmith doctor --vsphere vsphere.json", "what the user of this file lacks in its vCenter"),
            ("goldsmith doctor --nutanix nutanix.json", "or in its Prism Central"),
            ("goldsmith doctor --cloudstack lab", "or in a cloud of CloudStack"),
        ]))
    )]
    #[cfg_attr(
        not(feature = "aws"),
        command(after_help = examples(&[
            ("goldsmith doctor", "this host in general"),
            ("goldsmith doctor web.toml", "and whether it can build this definition"),
            ("goldsmith doctor --vsphere vsphere.json", "what the user of this file lacks in its vCenter"),
            ("goldsmith doctor --nutanix nutanix.json", "or in its Prism Central"),
            ("goldsmith doctor --cloudstack lab", "or in a cloud of CloudStack"),
        ]))
    )]
    Doctor(Box<Doctor>),
    /// Print the JSON schema of definitions
    #[command(after_help = examples(&[("goldsmith schema > goldsmith.schema.json", "for editors: completion and checks")]))]
    Schema,
    /// Print completions for a shell
    #[command(after_help = examples(&[
        ("goldsmith completions bash > ~/.local/share/bash-completion/completions/goldsmith", ""),
        ("goldsmith completions zsh > ~/.zfunc/_goldsmith", ""),
        ("goldsmith completions fish > ~/.config/fish/completions/goldsmith.fish", ""),
    ]))]
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Definitions and what fills them in.
#[derive(Debug, Default, Args)]
pub(super) struct Definitions {
    /// Definitions: TOML files
    #[arg(required_unless_present = "os", conflicts_with = "os", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) inputs: Variables,
    #[command(flatten)]
    pub(super) door: Box<DoorArgs>,
}

/// What fills in a definition's variables.
#[derive(Debug, Args, Default)]
pub(super) struct Variables {
    /// Set a variable of the definitions; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub(super) vars: Vec<(String, String)>,
    /// Read variables from a TOML file; may be repeated, the last one wins, `--var` wins over all
    #[arg(long = "var-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) var_files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) definitions: Definitions,
    /// Show the steps for a guest of this system, such as `debian-12` or `rhel-9.4`, instead of all with their conditions. The system of
    /// a bootstrap is known
    #[arg(long, value_name = "SYSTEM", conflicts_with = "steps")]
    pub(super) guest: Option<String>,
    /// Show all steps with their conditions and templates, whatever the system
    #[arg(long = "all-steps")]
    pub(super) steps: bool,
}

#[derive(Debug, Args)]
pub(super) struct Inputs {
    #[command(flatten)]
    pub(super) definitions: Definitions,
    /// The system of the guest, such as `debian-12` or `rhel-9.4`. That of a bootstrap is known
    #[arg(long, alias = "system", value_name = "SYSTEM")]
    pub(super) guest: Option<String>,
}

#[derive(Debug, Default, Args)]
pub(super) struct Build {
    #[command(flatten)]
    pub(super) definitions: Definitions,
    /// Deliver to this folder, unless a definition gives an output a path of its own [default: out]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) out: Option<PathBuf>,
    /// What to do with the machine of a build that failed
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = WhenFailed::Cleanup)]
    pub(super) on_error: WhenFailed,
    /// Pause before each stage and after each step, and say how to log into the guest
    #[arg(long, conflicts_with_all = ["json", "quiet"])]
    pub(super) debug: bool,
    /// Who executes the guest, instead of what the definitions say
    #[arg(long, value_name = "WHO", value_enum)]
    pub(super) accelerator: Option<AcceleratorArg>,
    /// Do so many builds at once. Each needs the memory and cpus of its machine
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) parallel: u16,
    /// Do not boot the results to prove them
    #[arg(long)]
    pub(super) no_verify: bool,
    #[command(flatten)]
    pub(super) offline: Offline,
    /// Refuse inputs that are not those of `goldsmith.lock`, which lies beside each definition
    #[arg(long)]
    pub(super) locked: bool,
    /// With `--locked`: the guest is of this system, such as `ubuntu-24.04`. The system of a bootstrap is known
    #[arg(long, value_name = "SYSTEM", requires = "locked")]
    pub(super) guest: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The image: raw, qcow2, VMDK, VHD or OVA, or raw inside gzip, xz, zstd or lz4. It is not changed
    #[arg(value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    pub(super) image: PathBuf,
    /// The definition whose steps and checks it must hold
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) definition: PathBuf,
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) inputs: Variables,
    /// Who executes the guest, instead of what the definition says
    #[arg(long, value_name = "WHO", value_enum)]
    pub(super) accelerator: Option<AcceleratorArg>,
}

/// What happens to the machine of a build that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum WhenFailed {
    /// Remove everything
    #[default]
    Cleanup,
    /// Leave it running, until `goldsmith gc`
    Keep,
    /// Open a shell in the guest first, then remove everything
    Shell,
}

impl From<WhenFailed> for OnError {
    fn from(when: WhenFailed) -> Self {
        match when {
            WhenFailed::Cleanup => Self::Cleanup,
            WhenFailed::Keep => Self::Keep,
            WhenFailed::Shell => Self::Shell,
        }
    }
}

/// Who executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum AcceleratorArg {
    /// KVM when it provably runs a guest, otherwise TCG
    Auto,
    /// KVM or an error
    Kvm,
    /// QEMU's software emulation: slow, works everywhere
    Tcg,
}

impl From<AcceleratorArg> for Accelerator {
    fn from(arg: AcceleratorArg) -> Self {
        match arg {
            AcceleratorArg::Auto => Self::Auto,
            AcceleratorArg::Kvm => Self::Kvm,
            AcceleratorArg::Tcg => Self::Tcg,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Init {
    /// Name of the image; the file is NAME.toml
    #[arg(value_name = "NAME", value_parser = image_name)]
    pub(super) name: String,
    /// What the image is made from
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Start::Bootstrap)]
    pub(super) from: Start,
    /// Overwrite an existing file
    #[arg(long)]
    pub(super) force: bool,
    /// Print the definition instead of writing a file
    #[arg(long, conflicts_with = "force")]
    pub(super) stdout: bool,
}

/// What a new definition starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Start {
    /// A Debian or Ubuntu assembled from packages
    Bootstrap,
    /// An existing disk, such as a cloud image
    Disk,
    /// The medium of a system's own installer
    Iso,
}

#[derive(Debug, Args)]
pub(super) struct Gc {
    /// Only show what would be removed
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Definitions to check this host against
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    pub(super) inputs: Variables,
    /// Print the IAM policy that the definitions need, or all commands without any, and check whether it is granted
    #[cfg(feature = "aws")]
    #[arg(long)]
    pub(super) aws: bool,
    #[cfg(feature = "aws")]
    #[command(flatten)]
    pub(super) account: AccountArgs,
    /// Look at a vCenter instead: privileges, and whether what FILE (EKS Anywhere's `vsphere.json`) or the options name is there
    #[arg(long)]
    pub(super) vsphere: bool,
    /// Look at a Prism Central instead, by FILE (EKS Anywhere's `nutanix.json`) and the environment; `--server`, `--user`,
    /// `--cluster`, `--network` and how it is trusted count for it, too
    #[arg(long, conflicts_with_all = ["vsphere", "cloudstack"])]
    pub(super) nutanix: bool,
    /// Look at a cloud of CloudStack instead, by FILE, which is a section of the file of `cs` or such a file, and the environment;
    /// `--server` and how it is trusted count for it, too
    #[arg(long, conflicts_with = "vsphere")]
    pub(super) cloudstack: bool,
    /// The zone of that cloud [default: all]
    #[arg(long, value_name = "NAME", requires = "cloudstack")]
    pub(super) zone: Option<String>,
    #[command(flatten)]
    pub(super) vcenter: VcenterArgs,
    #[command(flatten)]
    pub(super) spot: SpotArgs,
}

/// A disk to read, and what there is to say about it.
#[derive(Debug, Clone, Args)]
pub(super) struct Source {
    /// The disk: an image, also a compressed one; `-` is stdin
    #[arg(value_name = "IMAGE", value_hint = ValueHint::FilePath)]
    pub(super) image: PathBuf,
    /// What IMAGE is, such as `raw`, `qcow2`, `vmdk`, `ova`, `vhd` or `raw.lz4`, instead of looking at its first bytes
    #[arg(long, value_name = "FORMAT", value_parser = stated)]
    pub(super) input_format: Option<Stated>,
    /// Let IMAGE have backing files outside its folder. It can name any file of this host
    #[arg(long)]
    pub(super) allow_backing_outside: bool,
    /// Which disk of an OVA of several, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) disk: Option<u16>,
    /// Where a disk is unpacked to that cannot be converted as it comes [default: TMPDIR, or the folder of the output]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) temp_dir: Option<PathBuf>,
    /// Refuse a disk that unpacks to more than this
    #[arg(long, value_name = "SIZE", default_value = "16TiB")]
    pub(super) max_unpacked: Size,
}

#[derive(Debug, Args)]
pub(super) struct Convert {
    #[command(flatten)]
    pub(super) source: Source,
    /// Write this; may be repeated. A path whose end says the format (`x.raw.gz`), `-` for stdout, or
    /// `format=F,path=P,level=N,compression=C`
    #[arg(short, long = "output", value_name = "OUTPUT", required = true, value_hint = ValueHint::FilePath)]
    pub(super) outputs: Vec<OutputArg>,
    /// Format of outputs whose names do not say theirs, and of stdout
    #[arg(long, value_name = "FORMAT", value_parser = outputs::format)]
    pub(super) format: Option<OutputFormat>,
    /// Compression level of every output that has one. deflate: 1 to 12, default 6; zstd: 1 to 19, default 3; xz: 0 to 9
    #[arg(long, value_name = "N")]
    pub(super) level: Option<u32>,
    /// How qcow2 outputs are compressed: none (what hypervisors run from), zlib or zstd
    #[arg(long, value_name = "KIND", value_parser = outputs::compression, default_value = "none")]
    pub(super) qcow2_compression: Qcow2Compression,
    /// How many threads read and compress [default: one for each core]. The result is the same
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=32))]
    pub(super) threads: Option<u16>,
    /// Also write a `.sha512` next to each output
    #[arg(long)]
    pub(super) sha512: bool,
    /// Take zeroes for holes where the source has no map of its holes: compressed files and pipes of raw disks. Wrong for
    /// disks whose zeroes matter, such as encrypted ones
    #[arg(long)]
    pub(super) zeroes_are_holes: bool,
}

#[derive(Debug, Args)]
pub(super) struct Inspect {
    #[command(flatten)]
    pub(super) source: Source,
}

/// The whole command, for completions and help.
pub(super) fn command() -> clap::Command {
    Cli::command()
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

fn stated(text: &str) -> Result<Stated, String> {
    text.parse::<Stated>().map_err(|error| error.to_string())
}

fn image_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, `.`, `_` and `-`, beginning with a letter or digit".to_owned())
    }
}

fn examples(list: &[(&str, &str)]) -> String {
    let mut text = format!("{HEADER}Examples:{HEADER:#}");
    let width = |line: &str| line.chars().count();
    let widest =
        list.iter().filter(|(_, note)| !note.is_empty()).map(|(line, _)| width(line)).max().unwrap_or(0);
    for (line, note) in list {
        if note.is_empty() {
            let _ = write!(text, "\n  {LITERAL}{line}{LITERAL:#}");
        } else {
            let _ = write!(text, "\n  {LITERAL}{line}{LITERAL:#}{:1$}  {note}", "", widest - width(line));
        }
    }
    text
}

fn top_level_footer() -> String {
    let mut text = examples(&[
        ("goldsmith init web", "write web.toml, a definition to start from"),
        ("goldsmith doctor web.toml", "see what this host lacks for it"),
        ("goldsmith build web.toml", "build it"),
    ]);
    let _ = write!(text, "\n\n{HEADER}Environment:{HEADER:#}");
    for variable in VARIABLES {
        let _ = write!(text, "\n  {LITERAL}{:<19}{LITERAL:#}  {}", variable.name, variable.help);
    }
    let _ = write!(text, "\n\n{HEADER}Exit codes:{HEADER:#}");
    for exit in super::exit::Exit::ALL {
        let _ = write!(text, "\n  {LITERAL}{:>3}{LITERAL:#}  {}", exit.code(), exit.meaning());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        command().debug_assert();
    }

    /// The help of a command, and of those below it.
    fn add(all: &mut String, path: &str, command: &clap::Command) {
        let help = command.clone().render_long_help();
        let _ = writeln!(all, "━━━ {path} --help\n{help}");
        for inner in command.get_subcommands() {
            // The top's name is not repeated before each of them.
            let path = if path == "goldsmith" { String::new() } else { format!("{path} ") };
            add(all, &format!("{path}{}", inner.get_name()), inner);
        }
    }

    #[test]
    fn every_help_reads_well() {
        let mut all = String::new();
        let mut top = command();
        top.build();
        add(&mut all, "goldsmith", &top);
        insta::assert_snapshot!("help", all.trim_end());
        insta::assert_snapshot!("help_short", command().render_help().to_string().trim_end());
    }

    #[test]
    fn a_variable_needs_a_name_and_may_hold_an_equals_sign() {
        assert_eq!(name_and_value("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert!(name_and_value("=b").is_err() && name_and_value("a").is_err());
    }
}
