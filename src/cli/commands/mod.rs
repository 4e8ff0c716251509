//! The commands: what the arguments mean.
#[cfg(feature = "aws")]
mod aws;
mod build;
mod bundle;
mod capi;
mod cloudstack;
mod convert;
pub(in crate::cli) mod doctor;
mod door;
pub(in crate::cli) mod gc;
mod init;
mod inputs;
pub(in crate::cli) mod inspect;
mod load;
mod nutanix;
mod offline;
pub(in crate::cli) mod plan;
mod plan_cloudstack;
mod plan_ec2;
mod plan_nutanix;
mod plan_vsphere;
mod release;
mod task;
mod verify;
mod vsphere;
mod work;

use super::{
    args::{self, Command},
    console::Console,
    exit::Exit,
    problem::Problem,
};
use crate::{build::Dirs, definition};
use std::future::Future;

/// Runs one command.
pub(super) fn run(command: Command, console: &Console) -> Result<Exit, Problem> {
    match command {
        Command::Build(arguments) => build::run(&arguments, console),
        Command::Verify(arguments) => verify::run(&arguments, console),
        Command::Plan(arguments) => plan::show(&arguments, console),
        Command::Inputs(arguments) => inputs::run(&arguments, console),
        Command::Validate(arguments) => plan::validate(&arguments, console),
        Command::Init(arguments) => init::run(&arguments, console),
        Command::Convert(arguments) => convert::run(&arguments, console),
        Command::Inspect(arguments) => inspect::run(arguments, console),
        #[cfg(feature = "aws")]
        Command::Publish { what: args::Publish::Ami(arguments) } => aws::publish::run(&arguments, console),
        Command::Publish { what: args::Publish::Vsphere(arguments) } => {
            vsphere::publish::run(&arguments, console)
        }
        Command::Vsphere { what } => vsphere::command(&what, console),
        Command::Publish { what: args::Publish::CloudStack(arguments) } => {
            cloudstack::publish::run(&arguments, console)
        }
        Command::CloudStack { what: args::CloudStack::Download(arguments) } => {
            cloudstack::download::run(&arguments, console)
        }
        Command::Nutanix { what: args::Nutanix::Download(arguments) } => {
            nutanix::download::run(&arguments, console)
        }
        Command::Publish { what: args::Publish::Nutanix(arguments) } => {
            nutanix::publish::run(&arguments, console)
        }
        #[cfg(feature = "aws")]
        Command::Ami(arguments) => aws::ami(&arguments, console),
        #[cfg(feature = "aws")]
        Command::Marketplace(arguments) => aws::marketplace(&arguments.command, console),
        Command::Release { what } => release::command(&what, console),
        Command::Download { what: args::Download::Hook(arguments) } => {
            release::hook::run(&arguments, console)
        }
        Command::Download { what: args::Download::Manifests(arguments) } => {
            release::manifests::run(&arguments, console)
        }
        Command::Download { what: args::Download::Artifacts(arguments) } => {
            release::artifacts::run(&arguments, console)
        }
        #[cfg(feature = "tuf")]
        Command::Download { what: args::Download::Bottlerocket(arguments) } => {
            release::bottlerocket::run(&arguments, console)
        }
        Command::Bundle { what } => bundle::command(&what, console),
        Command::Lock(arguments) => bundle::lock::run(&arguments, console),
        Command::Capi(arguments) => capi::run(&arguments, console),
        Command::Gc(arguments) => gc::run(&arguments, console),
        Command::Doctor(arguments) => doctor::run(&arguments, console),
        Command::Schema => {
            console.out(&pretty(&definition::json_schema())?);
            Ok(Exit::Ok)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::command(), "goldsmith", &mut script);
            console.out(String::from_utf8_lossy(&script).trim_end());
            Ok(Exit::Ok)
        }
    }
}

/// The same for who called the program `image-builder`: a build ends with the words that its scripts look for.
pub(super) fn run_node(command: Command, console: &Console) -> Result<Exit, Problem> {
    let builds = matches!(command, Command::Build(_));
    let exit = run(command, console)?;
    if builds && exit == Exit::Ok {
        console.note("Build Successful. Output artifacts located at current working directory");
    }
    Ok(exit)
}

/// The folders that the environment names.
fn dirs() -> Result<Dirs, Problem> {
    Ok(Dirs::from_env(|name| std::env::var_os(name))?)
}

/// Runs `work` to its end. Threads that still wait for something then (an answer at the terminal) go with the process.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::host("could not start threads", error))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    Ok(result)
}

/// JSON for people and machines.
fn pretty(value: &impl serde::Serialize) -> Result<String, Problem> {
    serde_json::to_string_pretty(value).map_err(|error| Problem::Internal(error.to_string()))
}
