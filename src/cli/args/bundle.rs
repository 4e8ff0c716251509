//! What the user may say about bundles and locks.
use super::{Definitions, Selection, Variables, examples};
use clap::{Args, Subcommand, ValueHint};
use std::{net::SocketAddr, path::PathBuf};
use url::Url;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Bundle {
    /// Fetch every input of builds, and write them into one file
    #[command(
        long_about = "Fetch every input of builds, and write them into one file.\n\n\
            The same inputs give the same bytes. What was fetched stays in the cache, so an interrupted command goes on where it was; the file gets its name \
            when it is whole. With `--since`, what the other bundle has is left out, and both are needed to use it. What a build may fetch \
            and nobody can know beforehand is told.",
        after_help = examples(&[
            ("goldsmith bundle create node.toml -o site.bundle", "all that the build fetches"),
            ("goldsmith bundle create node.toml --since site.bundle -o new.bundle", "only what changed"),
            ("goldsmith bundle create --list more.json -o more.bundle", "files that a list names"),
        ])
    )]
    Create(CreateBundle),
    /// Read all of a bundle, and compare every chunk and file with its digest
    #[command(after_help = examples(&[
        ("goldsmith bundle verify site.bundle", "after it was carried somewhere"),
        ("goldsmith bundle verify site.bundle --definition node.toml", "and whether a build finds all of its inputs"),
    ]))]
    Verify(VerifyBundle),
    /// List what is in bundles
    #[command(after_help = examples(&[
        ("goldsmith bundle list site.bundle", "sizes, kinds, addresses, and what needs them"),
        ("goldsmith bundle list site.bundle --json | jq -r '.files[].urls[]'", "the addresses"),
    ]))]
    List(ListBundle),
    /// Write files of bundles to a folder, or one to a file
    #[command(after_help = examples(&[
        ("goldsmith bundle extract site.bundle -o tree", "all, as tree/HOST/PATH"),
        ("goldsmith bundle extract site.bundle --url https://h/x.iso -o x.iso", "one"),
    ]))]
    Extract(ExtractBundle),
    /// Write what several bundles have into one that needs no other
    #[command(after_help = examples(&[
        ("goldsmith bundle merge site.bundle new.bundle -o all.bundle", "a bundle and what changed since"),
        ("goldsmith bundle merge --newest site.bundle new.bundle -o new-whole.bundle", "without what is not needed any more"),
    ]))]
    Merge(MergeBundle),
    /// Serve bundles by HTTP, to read only
    #[command(
        long_about = "Serve bundles by HTTP, to read only.\n\n\
            The server is a proxy for whole addresses (`http_proxy`; what was fetched by https is given for http, too), a mirror by \
            `/HOST/PATH`, and a registry of the container images that are in the bundles (`/v2/`). It serves nothing else, and runs until it is interrupted.",
        after_help = examples(&[
            ("goldsmith bundle serve site.bundle", "on this host's loopback"),
            ("goldsmith bundle serve site.bundle --listen 10.0.0.5:8080", "for others"),
            ("curl -x http://127.0.0.1:8080 http://h/x.deb", "as a proxy"),
            ("curl http://127.0.0.1:8080/h/x.deb", "as a mirror"),
        ])
    )]
    Serve(ServeBundle),
    /// Put files of bundles on a server of artifacts by HTTP, or into a folder that one hands out
    #[command(
        long_about = "Put files of bundles on a server of artifacts by HTTP, or into a folder that one hands out.\n\n\
            Files of EKS Distro and EKS Anywhere go below `--eksd` and `--eksa` by their paths, as EKS Anywhere's image-builder looks for them \
            (`private_artifacts_eksd_fqdn`, `private_artifacts_eksa_fqdn`), each with its digest in `.sha256` beside it; all others below `--to`, as HOST/PATH. \
            What is there already is left alone, so the same command goes on.",
        after_help = examples(&[
            ("goldsmith bundle push site.bundle --to https://artifacts.example/repo --user ci --password-file pw", "by HTTP PUT"),
            ("goldsmith bundle push site.bundle --to /srv/www", "into a folder"),
        ])
    )]
    Push(PushBundle),
}

/// Bundles that are used together.
#[derive(Debug, Args)]
pub(in crate::cli) struct BundleFiles {
    /// Bundles; one that has only what changed needs the other, too
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) files: Vec<PathBuf>,
}

/// How a bundle is written.
#[derive(Debug, Args)]
pub(in crate::cli) struct BundleOutput {
    /// Write the bundle here
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) output: PathBuf,
    /// Overwrite an existing file
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// How hard to pack what can be packed, from 1 to 19; 0 packs nothing, not even the list of what is in it
    #[arg(long, value_name = "LEVEL", default_value_t = 3, value_parser = clap::value_parser!(i32).range(0..=19))]
    pub(in crate::cli) level: i32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CreateBundle {
    /// Definitions whose inputs are collected
    #[arg(value_name = "DEFINITION", value_hint = ValueHint::FilePath, required_unless_present = "lists")]
    pub(in crate::cli) definitions: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) output: BundleOutput,
    /// Leave out what this bundle has; may be repeated
    #[arg(long, value_name = "BUNDLE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) since: Vec<PathBuf>,
    /// Also collect what this list names: JSON as `goldsmith inputs --json` prints it; may be repeated
    #[arg(long = "list", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) lists: Vec<PathBuf>,
    /// The guest is of this system, such as `ubuntu-24.04`. The system of a bootstrap is known
    #[arg(long, value_name = "SYSTEM")]
    pub(in crate::cli) guest: Option<String>,
    /// Do not write goldsmith.lock
    #[arg(long)]
    pub(in crate::cli) no_lock: bool,
    #[command(flatten)]
    pub(in crate::cli) selection: Selection,
    #[command(flatten)]
    pub(in crate::cli) inputs: Variables,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyBundle {
    #[command(flatten)]
    pub(in crate::cli) bundles: BundleFiles,
    /// List what a build of this definition needs and the bundles do not have; may be repeated
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) definition: Vec<PathBuf>,
    /// The guest is of this system, such as `ubuntu-24.04`. The system of a bootstrap is known
    #[arg(long, value_name = "SYSTEM", requires = "definition")]
    pub(in crate::cli) guest: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) selection: Selection,
    #[command(flatten)]
    pub(in crate::cli) inputs: Variables,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ListBundle {
    #[command(flatten)]
    pub(in crate::cli) bundles: BundleFiles,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ExtractBundle {
    #[command(flatten)]
    pub(in crate::cli) bundles: BundleFiles,
    /// Write to this folder, which is made if it is missing; with `--url`, to this file
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(in crate::cli) output: PathBuf,
    /// Only the file that this address gave
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::Url)]
    pub(in crate::cli) url: Option<Url>,
    /// Overwrite existing files
    #[arg(long)]
    pub(in crate::cli) force: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct MergeBundle {
    #[command(flatten)]
    pub(in crate::cli) bundles: BundleFiles,
    #[command(flatten)]
    pub(in crate::cli) output: BundleOutput,
    /// Take only the files of those bundles that no other one of them builds on
    #[arg(long)]
    pub(in crate::cli) newest: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ServeBundle {
    #[command(flatten)]
    pub(in crate::cli) bundles: BundleFiles,
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(in crate::cli) listen: SocketAddr,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PushBundle {
    #[command(flatten)]
    pub(in crate::cli) bundles: BundleFiles,
    /// Put files below this address or folder, as HOST/PATH
    #[arg(long, value_name = "ADDRESS|DIR", value_hint = ValueHint::AnyPath)]
    pub(in crate::cli) to: String,
    /// Put files of EKS Distro below this address or folder [default: eks-d-artifacts below `--to`]
    #[arg(long, value_name = "ADDRESS|DIR", value_hint = ValueHint::AnyPath)]
    pub(in crate::cli) eksd: Option<String>,
    /// Put files of EKS Anywhere below this address or folder [default: eks-a-artifacts below `--to`]
    #[arg(long, value_name = "ADDRESS|DIR", value_hint = ValueHint::AnyPath)]
    pub(in crate::cli) eksa: Option<String>,
    /// Who sends the files
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub(in crate::cli) user: Option<String>,
    /// The password is the first line of this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "user")]
    pub(in crate::cli) password_file: Option<PathBuf>,
    /// Trust the authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) ca_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Lock {
    #[command(flatten)]
    pub(in crate::cli) definitions: Definitions,
    /// The guest is of this system, such as `ubuntu-24.04`. The system of a bootstrap is known
    #[arg(long, value_name = "SYSTEM")]
    pub(in crate::cli) guest: Option<String>,
}
