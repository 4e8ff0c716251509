//! `goldsmith release show`: all that a release has for a channel.
use super::{Shown, list::today, run as run_task};
use crate::{
    cli::{
        args::ShowRelease,
        commands::pretty,
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone},
    },
    cx::Cx,
    eksa::{Artifact, ArtifactKind, Channel, Chosen, Manifests, Resolved, Signature, bottlerocket_of},
    value::Size,
};
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn run(arguments: &ShowRelease, console: &Console) -> Result<Exit, Problem> {
    let work = async |cx: &Cx, manifests: &Manifests| {
        let mut found = manifests.resolve(cx, arguments.channel, today()).await?;
        if arguments.sizes {
            manifests.measure(cx, &mut found.kube.artifacts).await?;
            manifests.measure(cx, &mut found.distro.artifacts).await?;
        }
        Ok(found)
    };
    let subject = Path::new("releases");
    let (found, exit) = run_task(
        console,
        (&arguments.manifests, arguments.eksa_release.as_ref()),
        ("release", subject, Shown::Warnings),
        work,
    )?;
    let Some(found) = found else { return Ok(exit) };
    if console.json() {
        console.out(&pretty(&json_of(&found))?);
    } else {
        console.out(&text_of(console.out_theme(), &found));
    }
    Ok(exit)
}

/// A bundle in JSON.
pub(super) fn bundle(chosen: &Chosen) -> Value {
    let bundle = &chosen.bundle;
    json!({
        "number": bundle.number, "url": chosen.url, "signature": bundle.signature,
        "cli-min-version": bundle.cli_min, "cli-max-version": bundle.cli_max,
    })
}

fn json_of(found: &Resolved) -> Value {
    let (kube, distro) = (&found.kube, &found.distro);
    json!({
        "release": found.chosen.release,
        "bundle": bundle(&found.chosen),
        "channel": kube.channel,
        "kubernetes": kube.eksd.kube_version,
        "support-ends": kube.support_ends,
        "vcenter-tag": tag(found),
        "bottlerocket": bottlerocket_of(kube.channel)
            .into_iter()
            .map(|(format, version)| (format.to_string(), Value::from(version)))
            .collect::<serde_json::Map<_, _>>(),
        "eksd": {
            "name": distro.name, "number": distro.number, "date": distro.date, "url": found.distro_url,
            "signature": found.distro_signature, "git-commit": kube.eksd.git_commit,
        },
        "artifacts": { "bundle": kube.artifacts, "eksd": distro.artifacts },
    })
}

/// The tag by which EKS Anywhere knows which EKS-D a template in a vCenter has.
fn tag(found: &Resolved) -> String {
    format!("eksdRelease:{}", found.distro.name)
}

/// The versions of Bottlerocket that EKS Anywhere means for a channel. They are in no manifest.
fn bottlerocket(channel: Channel) -> String {
    let versions = bottlerocket_of(channel);
    let versions: Vec<String> =
        versions.iter().map(|(format, version)| format!("{format} {version}")).collect();
    if versions.is_empty() { "not known for this channel".to_owned() } else { versions.join(", ") }
}

fn text_of(theme: &Theme, found: &Resolved) -> String {
    let (kube, distro, chosen) = (&found.kube, &found.distro, &found.chosen);
    let release = chosen.release.as_ref().map_or("-", |release| release.version.as_str());
    let number = chosen.bundle.number.map_or_else(String::new, |number| format!(" {number}"));
    let version = kube.eksd.kube_version.as_deref().unwrap_or("-");
    let support = match (kube.support_ends, kube.support_days(today())) {
        (Some(ends), Some(..0)) => format!(", standard support ended on {ends}"),
        (Some(ends), _) => format!(", standard support until {ends}"),
        (None, _) => String::new(),
    };
    let row = |key: &str, value: String| format!("{}{value}", theme.paint(Tone::Dim, format!("{key:<13}")));
    let mut lines = vec![
        row("release", format!("{} (bundle{number}, {})", release, signed(chosen.bundle.signature))),
        row("channel", format!("{}: Kubernetes {version}{support}", kube.channel)),
        row("EKS-D", format!("{} ({})", distro.name, signed(found.distro_signature))),
        row("vCenter tag", tag(found)),
        row("Bottlerocket", bottlerocket(kube.channel)),
        row("bundle at", chosen.url.to_string()),
        row("EKS-D at", found.distro_url.to_string()),
    ];
    for (title, artifacts) in [("EKS Anywhere", &kube.artifacts), ("EKS-D", &distro.artifacts)] {
        for (kind, name) in [
            (ArtifactKind::File, "files"),
            (ArtifactKind::Image, "images"),
            (ArtifactKind::Manifest, "manifests"),
        ] {
            let of_kind: Vec<&Artifact> = artifacts.iter().filter(|artifact| artifact.kind == kind).collect();
            if of_kind.is_empty() {
                continue;
            }
            lines.push(String::new());
            lines.push(theme.paint(Tone::Strong, format!("{title}: {name}")));
            for artifact in of_kind {
                describe(theme, artifact, &mut lines);
            }
        }
    }
    lines.join("\n")
}

fn signed(signature: Signature) -> &'static str {
    match signature {
        Signature::Valid => "signed by Amazon",
        Signature::Invalid => "changed after Amazon signed it",
        Signature::Missing => "not signed",
    }
}

fn describe(theme: &Theme, artifact: &Artifact, lines: &mut Vec<String>) {
    let mut notes: Vec<String> = artifact.version.iter().cloned().collect();
    notes.extend((!artifact.arch.is_empty()).then(|| artifact.arch.join(", ")));
    notes.extend(artifact.bytes.map(|bytes| Size::bytes(bytes).to_string()));
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
    lines.push(format!("  {}{}", artifact.id, theme.paint(Tone::Dim, notes)));
    lines.push(format!("    {}", artifact.uri));
    let digests = [
        artifact.sha256.as_ref().map(ToString::to_string),
        artifact.sha512.as_ref().map(ToString::to_string),
        artifact.image_digest.as_ref().map(ToString::to_string),
        artifact.bad_digest.as_ref().map(|text| format!("a digest that is none: {text}")),
    ];
    lines.extend(
        digests.into_iter().flatten().map(|digest| format!("    {}", theme.paint(Tone::Dim, digest))),
    );
}
