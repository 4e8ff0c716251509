//! `goldsmith ami show`.
use super::{ask, text};
use crate::{
    aws::{Aws, AwsError, AwsErrorKind},
    cli::{
        args::AmiShow,
        commands::pretty,
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone, pad},
    },
    publish::ami::{self, Audience, Image, Query},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use serde::Serialize;

/// An AMI, and who may use it; only its owner may know that.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    ami: Image,
    #[serde(rename = "shared-with", skip_serializing_if = "Option::is_none")]
    audience: Option<Audience>,
}

pub(super) fn run(arguments: &AmiShow, console: &Console) -> Result<Exit, Problem> {
    let found = ask(&arguments.account, async |aws| find(aws, arguments).await)?;
    if console.json() {
        console.out(&pretty(&found)?);
        return Ok(if found.is_empty() { Exit::Failed } else { Exit::Ok });
    }
    match &found[..] {
        [] => {
            console.err(&format!("there is no own AMI called `{}` there", arguments.ami));
            return Ok(Exit::Failed);
        }
        [one] => console.out(&card(console.out_theme(), one)),
        all => console.out(&list(console.out_theme(), all)),
    }
    Ok(Exit::Ok)
}

async fn find(aws: &Aws, arguments: &AmiShow) -> Result<Vec<Shown>, AwsError> {
    let first =
        if arguments.ami.starts_with("ami-") { Some(ami::one(aws, &arguments.ami).await?) } else { None };
    let regions = match arguments.regions.which() {
        Some(which) => ami::regions(aws, &which).await?.chosen,
        None => vec![aws.region().to_owned()],
    };
    let mut asked: FuturesUnordered<_> = regions
        .iter()
        .map(|region| {
            let (aws, first) = (aws.at(region), first.as_ref());
            async move {
                let amis = match first {
                    Some(first) if first.region == *region => vec![first.clone()],
                    Some(first) => ami::named(&aws, &first.name).await?.into_iter().collect(),
                    None => ami::own(&aws, Query::Named(&arguments.ami)).await?,
                };
                let mut shown = Vec::new();
                for ami in amis {
                    let audience = match ami::audience(&aws, &ami.id).await {
                        Ok(audience) => Some(audience),
                        Err(error)
                            if matches!(error.kind(), AwsErrorKind::Auth | AwsErrorKind::Permission) =>
                        {
                            None
                        }
                        Err(error) => return Err(error),
                    };
                    shown.push(Shown { ami, audience });
                }
                Ok::<_, AwsError>(shown)
            }
        })
        .collect();
    let mut all = Vec::new();
    while let Some(shown) = asked.next().await {
        all.extend(shown?);
    }
    all.sort_by(|a, b| (&a.ami.name, &a.ami.region).cmp(&(&b.ami.name, &b.ami.region)));
    Ok(all)
}

fn state(theme: &Theme, ami: &Image) -> String {
    let tone = match ami.state.as_str() {
        "available" => Tone::Good,
        "pending" => Tone::Warn,
        _ => Tone::Bad,
    };
    let reason = ami.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{}{reason}", theme.paint(tone, &ami.state))
}

fn audience(shown: &Shown) -> String {
    shown.audience.as_ref().map_or_else(|| "only its owner knows".to_owned(), Audience::words)
}

fn card(theme: &Theme, shown: &Shown) -> String {
    let ami = &shown.ami;
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let tags: Vec<String> = ami.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let rows = [
        ("name", ami.name.clone()),
        ("region", ami.region.clone()),
        ("state", state(theme, ami)),
        ("what", some(&ami.description)),
        ("arch", ami.arch().unwrap_or_default().to_owned()),
        ("boot", some(&ami.boot_mode)),
        ("made", ami.created.map(|time| time.to_string()).unwrap_or_default()),
        ("owner", some(&ami.owner)),
        ("copy of", some(&ami.copy_of)),
        ("for", audience(shown)),
        ("deprecated", some(&ami.deprecated)),
        ("protection", some(&ami.protection)),
        ("last used", some(&ami.launched)),
        ("snapshots", ami.snapshots.join(", ") + if ami.encrypted { " (encrypted)" } else { "" }),
        ("tags", tags.join(", ")),
    ];
    let mut lines = vec![theme.paint(Tone::Strong, &ami.id)];
    for (label, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        lines.push(format!("  {}{value}", pad(&theme.paint(Tone::Dim, label), 12)));
    }
    lines.join("\n")
}

fn list(theme: &Theme, all: &[Shown]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|shown| {
            let ami = &shown.ami;
            vec![
                ami.region.clone(),
                ami.id.clone(),
                ami.name.clone(),
                ami.arch().unwrap_or("-").to_owned(),
                state(theme, ami),
                audience(shown),
            ]
        })
        .collect();
    text::grid(theme, &["region", "AMI", "name", "arch", "state", "for"], &rows)
}
