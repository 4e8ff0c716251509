//! What may be done in a vCenter, but for publishing.
use super::{CaptureVsphere, DeployVsphere, DownloadVsphere, ExportVsphere, ListVsphere, examples};
use clap::Subcommand;

/// What is done in a vCenter.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Vsphere {
    /// Export a machine, a template or a snapshot as an OVA, or as an OVF with its files
    #[command(
        long_about = "Export a machine, a template or a snapshot as an OVA, or as an OVF with its files.\n\n\
            All disks are fetched at once, and their digests are compared with those that the server tells. The first disk of an OVA \
            is written straight into its place in the archive; there is no copy of it. Others get files without a name beside it, and \
            are copied behind it; an OVF has no copies at all. Before anything gets its name, our own reader has read every block.",
        after_help = examples(&[
            ("goldsmith vsphere export templates/node -o node.ova", "a template"),
            ("goldsmith vsphere export web -o web.ovf --snapshot golden", "what runs, as it was in a snapshot"),
            ("goldsmith vsphere export web -o x.ova --json | tail -1 | jq .sha256", "for scripts"),
        ]),
    )]
    Export(Box<ExportVsphere>),
    /// List the content libraries, or the items of one
    #[command(after_help = examples(&[
        ("goldsmith vsphere ls", "the libraries"),
        ("goldsmith vsphere ls images", "what is in one"),
        ("goldsmith vsphere ls images --json | jq -r '.items[].name'", "for scripts"),
    ]))]
    Ls(Box<ListVsphere>),
    /// Put a machine that is off into a content library, as an OVF package or as a template
    #[command(
        long_about = "Put a machine that is off into a content library, as an OVF package or as a template.\n\n\
            A package is copied into the library. A template stays a machine of the inventory, in a folder and a resource pool, and \
            belongs to the library; it cannot be replaced. `goldsmith publish vsphere IMAGE.ova --library LIBRARY` puts an image of this \
            host there.",
        after_help = examples(&[
            ("goldsmith vsphere capture web --library images", "an OVF package, called as the machine"),
            ("goldsmith vsphere capture web --library images --name node --new-version", "new content for an item"),
            ("goldsmith vsphere capture web --library images --as template --folder templates", "a template"),
        ]),
    )]
    Capture(Box<CaptureVsphere>),
    /// Make a machine or a template of an item of a content library
    #[command(
        long_about = "Make a machine or a template of an item of a content library.\n\n\
            The server copies the disks; nothing comes by this host. What was made is removed if anything fails, or by `goldsmith gc`. \
            An existing machine of the name is never touched, unless it was published or deployed before and `--replace` is said.",
        after_help = examples(&[
            ("goldsmith vsphere deploy images/node --name node-1 --network 'VM Network'", "a machine"),
            ("goldsmith vsphere deploy images/node --name node --template --snapshot --replace", "a template, in place of an older one"),
            ("goldsmith vsphere deploy images/node --name node --tag os:os:ubuntu --json | tail -1 | jq .machine", "for scripts"),
        ]),
    )]
    Deploy(Box<DeployVsphere>),
    /// Download the files of an item of a content library, or make an OVA of them
    #[command(
        long_about = "Download the files of an item of a content library, or make an OVA of them.\n\n\
            The digests of the files are compared with those that the server tells. An OVA holds the files as they are, with a manifest of \
            ours; while it is made, there must be room for both. A folder is made, or must be empty.",
        after_help = examples(&[
            ("goldsmith vsphere download images/node -o node.ova", "an OVA"),
            ("goldsmith vsphere download images/debian-13 -o media", "the files of an item of any type"),
            ("goldsmith vsphere download images/node -o node.ova --json | tail -1 | jq -r .sha256", "for scripts"),
        ]),
    )]
    Download(Box<DownloadVsphere>),
}
