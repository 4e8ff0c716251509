//! `goldsmith ami …`: results are one JSON value with `--json`; progress goes to stderr then.
mod channel;
mod copy;
mod export;
mod files;
mod gc;
mod show;
mod table;
mod text;

use super::{block_on, run_shown};
use crate::{
    aws::{Aws, AwsError},
    cli::{
        args::{AccountArgs, Ami, AmiCommand},
        console::Console,
        exit::Exit,
        problem::Problem,
        render::{Plain, Show},
    },
    cx::Cx,
};
use std::{path::Path, sync::Arc};

pub(in crate::cli::commands) fn run(arguments: &Ami, console: &Console) -> Result<Exit, Problem> {
    match &arguments.command {
        AmiCommand::Show(arguments) => show::run(arguments, console),
        AmiCommand::Copy(arguments) => copy::run(arguments, console),
        AmiCommand::Channel(arguments) => channel::run(arguments, console),
        AmiCommand::Table(arguments) => table::run(arguments, console),
        AmiCommand::Test(arguments) => super::test::run(arguments, console),
        AmiCommand::Export(arguments) => export::run(arguments, console),
        AmiCommand::Gc(arguments) => gc::run(arguments, console),
    }
}

/// Asks, and changes nothing: no journal, no log.
fn ask<T>(account: &AccountArgs, work: impl AsyncFnOnce(&Aws) -> Result<T, AwsError>) -> Result<T, Problem> {
    let account = account.account();
    block_on(async {
        let aws = Aws::open(&account).await.map_err(Problem::Aws)?;
        work(&aws).await.map_err(Problem::Aws)
    })?
}

/// Does something: with journal, log, progress and signals.
fn work<T>(
    console: &Console,
    account: &AccountArgs,
    name: &str,
    subject: &str,
    work: impl AsyncFnOnce(&Cx, &Aws) -> Result<T, AwsError>,
) -> Result<(Option<T>, Exit), Problem> {
    let subject = Path::new(subject);
    if console.json() {
        // The result alone is JSON.
        let show: Arc<dyn Show> = Arc::new(Plain::new(console.clone(), false));
        return run_shown(console, show, account, (name, subject), work);
    }
    super::run(console, account, name, subject, work)
}
