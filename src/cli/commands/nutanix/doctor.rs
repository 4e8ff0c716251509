//! `goldsmith doctor --nutanix`.
use super::place::{absolute, first_line};
use crate::{
    cli::{
        args,
        commands::{block_on, doctor},
        console::Console,
        exit::Exit,
        problem::Problem,
    },
    doctor::nutanix::{PrismTarget, judge, look},
    nutanix::{Config, Prism, PrismError, Said, Trust},
};

/// Prints what the user lacks in a Prism Central for what the file and the options name.
pub(in crate::cli::commands) fn run(arguments: &args::Doctor, console: &Console) -> Result<Exit, Problem> {
    let (options, spot) = (&arguments.vcenter, &arguments.spot);
    let file = match (arguments.files.as_slice(), options.config.as_deref()) {
        ([], file) => file,
        ([file], None) => Some(file.as_path()),
        _ => return Err(Problem::usage("`doctor --nutanix` takes one file at most")),
    };
    let config = file.map_or_else(|| Ok(Config::default()), Config::read).map_err(Problem::Prism)?;
    let trust = match (&options.ca_file, &options.thumbprint) {
        (Some(path), _) => Some(Trust::CaFile(absolute(path)?)),
        (_, Some(thumbprint)) => Some(Trust::Thumbprint(thumbprint.clone())),
        _ if options.insecure => Some(Trust::Anything),
        _ => None,
    };
    let said = Said {
        host: options.server.clone(),
        port: None,
        user: options.user.clone(),
        password: options.password_file.as_deref().map(first_line).transpose()?,
        trust,
    };
    let place = said.place(&config).map_err(Problem::Prism)?;
    let network = spot.networks.first().cloned();
    let target = PrismTarget {
        cluster: spot.cluster.clone().or(config.cluster),
        subnet: network.or(config.subnet),
        source_image: config.source_image,
        image_name: config.image_name,
    };
    let seen = block_on(async {
        let prism = Prism::connect(&place, None).await?;
        // Without version 4, nothing was asked yet that tells a wrong password.
        prism.clusters().await?;
        Ok::<_, PrismError>(look(&prism, &target).await)
    })?
    .map_err(Problem::Prism)?;
    doctor::told(console, "this Prism Central is ready", &judge(&seen))
}
