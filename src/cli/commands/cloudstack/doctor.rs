//! `goldsmith doctor --cloudstack`.
use super::{absolute, first_line};
use crate::{
    cli::{
        args,
        commands::{block_on, doctor},
        console::Console,
        exit::Exit,
        problem::Problem,
    },
    cloudstack::{CloudStack, CloudStackError, Said, Trust},
    doctor::cloudstack::{judge, look},
};

/// Prints what the user of the keys lacks in a cloud.
pub(in crate::cli::commands) fn run(arguments: &args::Doctor, console: &Console) -> Result<Exit, Problem> {
    let options = &arguments.vcenter;
    let said = match arguments.files.as_slice() {
        [] => None,
        [said] => Some(said),
        _ => return Err(Problem::usage("`doctor --cloudstack` takes one file, or one section of it")),
    };
    // A file is one, or is called as one.
    let is_file = |said: &&std::path::PathBuf| {
        said.is_file() || said.extension().is_some_and(|end| end.eq_ignore_ascii_case("ini"))
    };
    let (file, region) = match said.filter(is_file) {
        Some(file) => (Some(file.clone()), None),
        None => (None, said.map(|said| said.to_string_lossy().into_owned())),
    };
    let trust = match (&options.ca_file, &options.thumbprint) {
        (Some(path), _) => Some(Trust::CaFile(absolute(path)?)),
        (_, Some(thumbprint)) => Some(Trust::Thumbprint(thumbprint.clone())),
        _ if options.insecure => Some(Trust::Anything),
        _ => None,
    };
    let said = Said {
        endpoint: options.server.clone(),
        key: None,
        secret: options.password_file.as_deref().map(first_line).transpose()?,
        trust,
        file: file.or_else(|| options.config.clone()),
        region,
    };
    let place = said.place().map_err(Problem::CloudStack)?;
    let seen = block_on(async {
        let cloud = CloudStack::open(&place)?;
        // Wrong keys and a server that is another are told once.
        cloud.zones().await?;
        Ok::<_, CloudStackError>(look(&cloud, arguments.zone.as_deref()).await)
    })?
    .map_err(Problem::CloudStack)?;
    doctor::told(console, "this cloud is ready", &judge(&seen))
}
