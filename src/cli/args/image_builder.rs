//! The command line when the program is called `image-builder`: the commands and options of that tool, and what they are here.
use super::{
    Build, Command, Definitions, DoorArgs, Download, DownloadArtifacts, DownloadManifests, Global,
    ManifestArgs, STYLES, channel,
};
use crate::eksa::Channel;
use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};
use std::{ffi::OsStr, path::Path};

/// Build node images of EKS Anywhere, as its image-builder does.
#[derive(Debug, Parser)]
#[command(
    name = "image-builder",
    long_about = "Build node images of EKS Anywhere, as its image-builder does.\n\n\
        This is goldsmith under another name: the same commands and options, and the same files in the current folder. Exit codes are \
        goldsmith's. `goldsmith plan` with the same options prints a definition, with which goldsmith needs none of them.",
    styles = STYLES,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 100,
)]
pub(in crate::cli) struct ImageBuilder {
    #[command(flatten)]
    pub(in crate::cli) global: Global,
    #[command(subcommand)]
    command: Tool,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// Build a node image
    Build(Box<BuildNode>),
    /// Download what builds without a network need
    Download {
        #[command(subcommand)]
        what: Collect,
    },
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
struct BuildNode {
    #[command(flatten)]
    door: DoorArgs,
}

#[derive(Debug, Subcommand)]
enum Collect {
    /// Write eks-a-manifests.tar
    Manifests {
        /// Taken; the tar is replaced anyway
        #[arg(long)]
        force: bool,
    },
    /// Write eks-a-artifacts and eks-d-artifacts
    Artifacts {
        /// Taken; what is there and right is left alone
        #[arg(long)]
        force: bool,
        /// The release channel: 1-34 or 1.34
        #[arg(long, value_name = "CHANNEL", value_parser = channel)]
        release_channel: Channel,
        /// The release of EKS Anywhere, such as v0.26.0
        #[arg(long, value_name = "VERSION")]
        eksa_release: String,
    },
}

/// What there is to do.
pub(in crate::cli) enum Doing {
    /// A command of goldsmith's.
    Command(Box<Command>),
    /// Nothing but telling the version.
    Version,
}

/// Whether the program was called by this name.
pub(in crate::cli) fn is_image_builder(program: Option<&OsStr>) -> bool {
    program.and_then(|program| Path::new(program).file_name()).is_some_and(|name| name == "image-builder")
}

impl ImageBuilder {
    /// What it is for goldsmith.
    pub(in crate::cli) fn doing(self) -> Result<Doing, clap::Error> {
        let command = match self.command {
            Tool::Version => return Ok(Doing::Version),
            Tool::Build(build) if !build.door.is_open() => {
                let text = "required flag(s) \"hypervisor\", \"os\", \"release-channel\" not set";
                return Err(Self::command().error(ErrorKind::MissingRequiredArgument, text));
            }
            Tool::Build(build) => Command::Build(Build {
                definitions: Definitions { door: Box::new(build.door), ..Definitions::default() },
                parallel: 1,
                ..Build::default()
            }),
            Tool::Download { what: Collect::Manifests { force: _ } } => Command::Download {
                what: Download::Manifests(DownloadManifests {
                    output: "eks-a-manifests.tar".into(),
                    force: true,
                    eksa_release: None,
                    manifests: ManifestArgs::default(),
                }),
            },
            Tool::Download { what: Collect::Artifacts { force: _, release_channel, eksa_release } } => {
                Command::Download {
                    what: Download::Artifacts(DownloadArtifacts {
                        release_channel,
                        output: ".".into(),
                        arch: None,
                        eksa_release: Some(eksa_release),
                        manifests: ManifestArgs::default(),
                    }),
                }
            }
        };
        Ok(Doing::Command(Box::new(command)))
    }
}
