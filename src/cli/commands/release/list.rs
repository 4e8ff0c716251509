//! `goldsmith release list`: releases of EKS Anywhere, or the channels of one.
use super::{Shown, run as run_task, table};
use crate::{
    cli::{args::ListReleases, commands::pretty, console::Console, exit::Exit, problem::Problem},
    cx::Cx,
    eksa::{Chosen, Manifests, Releases},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use std::path::Path;

/// What is listed.
enum Found {
    Releases(Releases),
    Channels(Box<Chosen>),
}

pub(super) fn run(arguments: &ListReleases, console: &Console) -> Result<Exit, Problem> {
    let one = arguments.release.as_ref();
    let work = async |cx: &Cx, manifests: &Manifests| match one {
        None => Ok(Found::Releases(manifests.releases(cx).await?)),
        Some(_) => Ok(Found::Channels(Box::new(manifests.bundle(cx).await?))),
    };
    let subject = Path::new("releases");
    let (found, exit) =
        run_task(console, (&arguments.manifests, one), ("release", subject, Shown::Warnings), work)?;
    let Some(found) = found else { return Ok(exit) };
    let today = today();
    if console.json() {
        console.out(&pretty(&found.json())?);
    } else {
        console.out(&found.text(today));
    }
    Ok(exit)
}

/// The day, where Amazon's dates count: UTC.
pub(in crate::cli::commands) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

impl Found {
    fn json(&self) -> Value {
        match self {
            Self::Releases(releases) => {
                let one = |release: &crate::eksa::Release| {
                    json!({
                        "version": release.version, "number": release.number, "date": release.date,
                        "bundle-manifest-url": release.bundle_manifest_url,
                        "latest": release.version == releases.latest,
                    })
                };
                json!({ "latest": releases.latest, "releases": releases.releases.iter().map(one).collect::<Vec<_>>() })
            }
            Self::Channels(chosen) => {
                let one = |kube: &crate::eksa::KubeBundle| {
                    json!({
                        "channel": kube.channel, "kubernetes": kube.eksd.kube_version,
                        "support-ends": kube.support_ends, "eksd": kube.eksd,
                    })
                };
                json!({
                    "release": chosen.release.as_ref().map(|release| &release.version),
                    "bundle": super::show::bundle(chosen),
                    "channels": chosen.bundle.kubes.iter().map(one).collect::<Vec<_>>(),
                })
            }
        }
    }

    fn text(&self, today: Date) -> String {
        let or_dash = |text: Option<&String>| text.map_or("-", String::as_str).to_owned();
        match self {
            Self::Releases(releases) => {
                let row = |release: &crate::eksa::Release| {
                    let day = release.date.as_ref().map(|date| date.chars().take(10).collect::<String>());
                    let number = release.number.map_or_else(|| "-".to_owned(), |number| number.to_string());
                    let latest = if release.version == releases.latest { "latest" } else { "" };
                    vec![release.version.clone(), number, or_dash(day.as_ref()), latest.to_owned()]
                };
                let rows: Vec<Vec<String>> = releases.releases.iter().map(row).collect();
                table(&["RELEASE", "NUMBER", "DATE", ""], &rows)
            }
            Self::Channels(chosen) => {
                let row = |kube: &crate::eksa::KubeBundle| {
                    let support = match (kube.support_ends, kube.support_days(today)) {
                        (Some(ends), Some(..0)) => format!("ended on {ends}"),
                        (Some(ends), _) => format!("until {ends}"),
                        (None, _) => "-".to_owned(),
                    };
                    vec![
                        kube.channel.to_string(),
                        or_dash(kube.eksd.kube_version.as_ref()),
                        or_dash(kube.eksd.name.as_ref()),
                        support,
                    ]
                };
                let rows: Vec<Vec<String>> = chosen.bundle.kubes.iter().map(row).collect();
                table(&["CHANNEL", "KUBERNETES", "EKS-D", "STANDARD SUPPORT"], &rows)
            }
        }
    }
}
