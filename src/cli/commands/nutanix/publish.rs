//! `goldsmith publish nutanix`: a disk as an image of a Prism Central.
use super::run as run_task;
use crate::{
    cli::{
        args::PublishNutanix,
        console::{Console, Verbosity},
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone},
    },
    publish::nutanix::{From, Job, Local, Published},
    value::{DigestAlgorithm, HumanDuration, Size},
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

/// The last line of `publish nutanix --json`.
#[derive(Serialize)]
struct Line<'a> {
    /// `published`
    event: &'static str,
    #[serde(flatten)]
    published: &'a Published,
    seconds: HumanDuration,
}

pub(in crate::cli::commands) fn run(arguments: &PublishNutanix, console: &Console) -> Result<Exit, Problem> {
    let begun = Instant::now();
    let config = arguments.prism.config()?;
    let place = arguments.prism.place(&config)?;
    if let Some(url) = &arguments.url
        && !matches!(url.scheme(), "http" | "https")
    {
        return Err(Problem::usage(format!("`{url}` is no address that a cluster fetches from"))
            .hint("it begins with https:// or http://"));
    }
    if arguments.url.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
        return Err(Problem::usage(
            "the address tells a user or a password, which Prism Central would show to everybody",
        )
        .hint("download it, and publish the file"));
    }
    if arguments.checksum.as_ref().is_some_and(|digest| digest.algorithm() != DigestAlgorithm::Sha256) {
        return Err(Problem::usage("Prism Central compares SHA-256 only"));
    }
    let local = arguments.image.as_deref().map(|path| {
        let path = std::path::absolute(path)
            .map_err(|error| Problem::host(format!("could not find `{}`", path.display()), error))?;
        Local::open(&path).map_err(Problem::Prism)
    });
    let local = local.transpose()?;
    let (from, subject) = match (&local, &arguments.url) {
        (Some(local), _) => (From::File(local), local.path.clone()),
        (None, Some(url)) => {
            (From::Url(url, arguments.checksum.as_ref()), PathBuf::from(url.path().trim_start_matches('/')))
        }
        (None, None) => return Err(Problem::usage("neither a disk nor its address is named")),
    };
    let by_file = || subject.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = arguments.name.clone().or(config.image_name.clone()).unwrap_or_else(by_file);
    let mut clusters = arguments.clusters.clone();
    if clusters.is_empty() {
        clusters.extend(config.cluster.clone());
    }
    let job = Job {
        from,
        name: &name,
        description: arguments.description.as_deref().unwrap_or_default(),
        clusters: &clusters,
        categories: &arguments.categories,
        replace: arguments.replace,
    };
    let work =
        async |cx: &crate::cx::Cx, prism: &crate::nutanix::Prism| Box::pin(job.publish(cx, prism)).await;
    let to = (&place, arguments.prism.api);
    let (published, exit) = run_task(console, to, ("publish-nutanix", &subject), work)?;
    let Some(published) = published else { return Ok(exit) };
    let seconds: HumanDuration = begun.elapsed().into();
    if console.json() {
        let line = Line { event: "published", published: &published, seconds };
        let line = serde_json::to_string(&line).map_err(|error| Problem::Internal(error.to_string()))?;
        console.out(&line);
        return Ok(exit);
    }
    if console.verbosity() != Verbosity::Quiet {
        let source = local.as_ref().map(|local| local.path.as_path());
        console.note(&summary(console.err_theme(), &published, source, seconds));
    }
    if !console.out_is_terminal() {
        console.out(&published.uuid);
    }
    Ok(exit)
}

/// ```text
/// ✓ ubuntu-2204-kube-v1-31 in 12 s
///
///   uuid      7a0e… in prism.example.com (v4)
/// ```
fn summary(theme: &Theme, published: &Published, source: Option<&Path>, seconds: HumanDuration) -> String {
    let mut rows = vec![("uuid", format!("{} in {} ({})", published.uuid, published.server, published.api))];
    if let Some(path) = source {
        let sent = Size::bytes(published.bytes_sent);
        let again = match published.repeated {
            0 => String::new(),
            times => format!(", begun again {times} times"),
        };
        rows.push(("disk", format!("{} ({sent} sent{again})", theme.path(path))));
    }
    if let Some(bytes) = published.bytes {
        rows.push(("size", Size::bytes(bytes).to_string()));
    }
    if let Some(sha256) = &published.sha256 {
        rows.push(("sha256", sha256.clone()));
    }
    if !published.clusters.is_empty() {
        let names: Vec<&str> = published.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
        rows.push(("cluster", names.join(", ")));
    }
    let remark = match (published.reused, published.replaced.is_empty()) {
        (true, _) => ", which was there already",
        (false, false) => ", in place of the one before",
        (false, true) => "",
    };
    let mut text = format!(
        "{} {} in {}{remark}\n",
        theme.mark(true),
        theme.paint(Tone::Strong, &published.name),
        theme.paint(Tone::Strong, seconds.to_string()),
    );
    for (label, value) in rows {
        text.push_str(&format!("\n  {} {value}", theme.paint(Tone::Dim, format!("{label:<9}"))));
    }
    text
}
