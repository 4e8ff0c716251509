//! `goldsmith publish cloudstack`: a disk on this host, or at an address, as a template of a cloud.
use super::{absolute, run as run_task};
use crate::{
    cli::{
        args::PublishCloudStack,
        console::{Console, Verbosity},
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone},
    },
    cloudstack::CloudStack,
    cx::Cx,
    publish::cloudstack::{Flags, From, Image, ImageFormat, Job, Published},
    value::{HumanDuration, Size},
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

/// The last line of `publish cloudstack --json`.
#[derive(Serialize)]
struct Line<'a> {
    /// `published`
    event: &'static str,
    #[serde(flatten)]
    published: &'a Published,
    seconds: HumanDuration,
}

pub(in crate::cli::commands) fn run(
    arguments: &PublishCloudStack,
    console: &Console,
) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let path = arguments.image.as_deref().map(absolute).transpose()?;
    let image = path.as_deref().map(Image::open).transpose().map_err(Problem::CloudStack)?;
    let (from, format, subject) = match (&path, &image, &arguments.url) {
        (Some(path), Some(image), _) => {
            let from = match arguments.serve {
                Some(at) => From::Served(path, image, at),
                None => From::File(path, image),
            };
            (from, image.format, path.clone())
        }
        (_, _, Some(url)) => {
            let from = From::Url(url, arguments.checksum.as_deref());
            (from, format(arguments, url)?, PathBuf::from(url.path()))
        }
        _ => return Err(Problem::usage("neither an image nor `--url` is said")),
    };
    let place = arguments.cloud.place()?;
    let name = arguments.name.clone().unwrap_or_else(|| stem(&subject, format));
    let job = Job {
        from,
        format,
        name: &name,
        displaytext: arguments.description.as_deref(),
        zones: &arguments.zones,
        hypervisor: arguments.hypervisor.as_deref(),
        os_type: arguments.os_type.as_deref(),
        project: arguments.cloud.project.as_deref(),
        flags: Flags {
            public: arguments.public,
            featured: arguments.featured,
            extractable: arguments.extractable,
            password: arguments.password_enabled,
            ssh_key: arguments.ssh_key_enabled,
            dynamically_scalable: arguments.dynamically_scalable,
            deploy_as_is: arguments.deploy_as_is,
        },
        tags: &arguments.tags,
        details: &arguments.details,
        accounts: &arguments.accounts,
        projects: &arguments.projects,
        replace: arguments.replace,
        limit: arguments.cloud.limit(),
    };
    let work = async |cx: &Cx, cloud: &CloudStack| Box::pin(job.publish(cx, cloud)).await;
    let (published, exit) = run_task(console, &place, ("publish-cloudstack", &subject), work)?;
    let Some(published) = published else { return Ok(exit) };
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = Line { event: "published", published: &published, seconds };
        let line = serde_json::to_string(&line).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(exit);
    }
    if console.verbosity() != Verbosity::Quiet {
        console.note(&summary(console.err_theme(), &published, path.as_deref(), seconds));
    }
    if !console.out_is_terminal() {
        console.out(&published.id);
    }
    Ok(exit)
}

/// What is at an address.
fn format(arguments: &PublishCloudStack, url: &url::Url) -> Result<ImageFormat, Problem> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Problem::usage(format!(
            "a cloud fetches from http and https, not from {}",
            url.scheme()
        )));
    }
    match &arguments.format {
        Some(said) => ImageFormat::named(said).ok_or_else(|| {
            Problem::usage(format!("`{said}` is no format of templates")).hint("they are qcow2, ova and vhd")
        }),
        None => ImageFormat::of_address(url.path()).ok_or_else(|| {
            Problem::usage(format!("the end of `{}` does not tell what is there", url.path()))
                .hint("`--format qcow2`, `ova` or `vhd` does")
        }),
    }
}

/// The name of a file without what tells its format.
fn stem(path: &Path, format: ImageFormat) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lower = name.to_lowercase();
    match lower.rfind(&format!(".{}", format.end())) {
        Some(at) if at > 0 => name[..at].to_owned(),
        _ => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
    }
}

/// ```text
/// ✓ web-1 in 12 s
///
///   template  5ce8f0b1-a910-4631-a8de-1e332bf3a6b7 in https://cloud.example.com/client/api
/// ```
fn summary(theme: &Theme, published: &Published, image: Option<&Path>, seconds: HumanDuration) -> String {
    let zones: Vec<&str> = published.zones.iter().map(|zone| zone.name.as_str()).collect();
    let mut rows = vec![("template", format!("{} in {}", published.id, published.endpoint))];
    rows.push(match (image, &published.url, published.bytes_sent) {
        (Some(image), _, Some(bytes)) => {
            ("image", format!("{} ({} sent)", theme.path(image), Size::bytes(bytes)))
        }
        (_, url, _) => ("image", url.clone().unwrap_or_default()),
    });
    rows.push(("for", format!("{}, {}", published.hypervisor, published.os_type)));
    rows.push((if zones.len() == 1 { "zone" } else { "zones" }, zones.join(", ")));
    if let Some(size) = published.zones.first().and_then(|zone| zone.size) {
        rows.push(("disk", Size::bytes(size).to_string()));
    }
    let replaced = if published.replaced.is_empty() { "" } else { ", in place of the one before" };
    let mut text = format!(
        "{} {} in {}{replaced}\n",
        theme.mark(true),
        theme.paint(Tone::Strong, &published.name),
        theme.paint(Tone::Strong, seconds.to_string()),
    );
    for (label, value) in rows {
        text.push_str(&format!("\n  {} {value}", theme.paint(Tone::Dim, format!("{label:<9}"))));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_called_as_its_file() {
        for (path, name) in
            [("/a/web-1.qcow2", "web-1"), ("/web.v2.QCOW2.bz2", "web.v2"), ("/web.img", "web")]
        {
            assert_eq!(stem(Path::new(path), ImageFormat::Qcow2), name);
        }
    }
}
