//! `goldsmith vsphere download`: the files of an item of a content library on this host.
use super::{
    ending::{summary, tell},
    run as run_task,
};
use crate::{
    cli::{args::DownloadVsphere, console::Console, exit::Exit, problem::Problem},
    publish::vsphere::Download,
    value::Size,
};
use std::{path::Path, time::Instant};

pub(super) fn run(arguments: &DownloadVsphere, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let config = arguments.vcenter.config()?;
    let place = arguments.vcenter.place(&config)?;
    let to = std::path::absolute(&arguments.output)
        .map_err(|error| Problem::host(format!("could not find `{}`", arguments.output.display()), error))?;
    check(&arguments.output, &to)?;
    let download = Download { item: &arguments.item, to: &to };
    let work = async |cx: &crate::cx::Cx, vcenter: &crate::vsphere::VCenter| {
        Box::pin(download.run(cx, vcenter)).await
    };
    let (made, exit) = run_task(console, &place, ("download-vsphere", &to), work)?;
    let Some(made) = made else { return Ok(exit) };
    let name = arguments.output.display().to_string();
    tell(console, begun, ("downloaded", &made), &name, |theme, seconds| {
        let version = made.version.as_deref().map(|version| format!(", version {version}"));
        let files: Vec<String> = made
            .files
            .iter()
            .map(|file| file.file_name().unwrap_or_default().to_string_lossy().into_owned())
            .collect();
        let mut rows = vec![
            ("item", format!("{}/{}{}", made.library, made.item, version.unwrap_or_default())),
            ("files", format!("{} in {}", Size::bytes(made.bytes), files.join(", "))),
            (
                "fetched",
                format!("{}, {} digests compared", Size::bytes(made.bytes_fetched), made.digests_compared),
            ),
        ];
        rows.extend(made.sha256.iter().map(|sha256| ("sha256", sha256.clone())));
        summary(theme, &name, seconds, "", &rows)
    })?;
    Ok(exit)
}

/// There must be a folder for it, and nothing in its place that is not to go.
fn check(said: &Path, to: &Path) -> Result<(), Problem> {
    let said = said.display();
    if to.file_name().is_none() || !to.parent().is_some_and(Path::is_dir) {
        return Err(Problem::usage(format!("there is no folder for `{said}`")));
    }
    let ova = to.extension().is_some_and(|end| end.eq_ignore_ascii_case("ova"));
    let why = match (to.is_dir(), ova) {
        (true, true) => "is a folder, and called as an OVA",
        (true, false) if std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_none()) => {
            return Ok(());
        }
        (true, false) => "is not empty",
        (false, false) if to.exists() => "is there, and no folder",
        (false, _) => return Ok(()),
    };
    Err(Problem::usage(format!("`{said}` {why}"))
        .hint("name a folder that is not there, or `x.ova` for an OVA"))
}
