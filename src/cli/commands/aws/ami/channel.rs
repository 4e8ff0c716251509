//! `goldsmith ami channel`.
use super::{ask, text, work};
use crate::{
    aws::{Aws, AwsError},
    cli::{
        args::{AmiChannel, ChannelArgs, ChannelCommand},
        commands::pretty,
        console::Console,
        exit::Exit,
        problem::Problem,
        theme::{Theme, Tone},
    },
    publish::ami::{self, Channel, Image, Patience, Places, Slot, Verdict},
};
use std::time::Duration;

/// Parameters are accepted within seconds.
const EVERY: Duration = Duration::from_secs(2);

pub(super) fn run(arguments: &AmiChannel, console: &Console) -> Result<Exit, Problem> {
    match &arguments.command {
        ChannelCommand::Set { amis, overwrite, channel } => {
            let subject = format!("{} → {}", amis.join(", "), channel.channel);
            let stage = ("ami-channel", "set");
            let (slots, exit) = work(console, &channel.account, stage, &subject, async |cx, aws| {
                let (amis, places) = (images(aws, amis).await?, places(aws, channel).await?);
                ami::set(cx, aws, &amis, &channel.channel(), &places, *overwrite, every()).await
            })?;
            slots.map_or(Ok(exit), |slots| told(console, &slots, exit))
        }
        ChannelCommand::Validate { amis, channel } => {
            let slots = ask(&channel.account, async |aws| {
                let (amis, places) = (images(aws, amis).await?, places(aws, channel).await?);
                ami::validate(aws, &amis, &channel.channel(), &places).await
            })?;
            told(console, &slots, Exit::Ok)
        }
        ChannelCommand::Promote { from, arch, channel } => {
            if *from == channel.channel {
                return Err(Problem::usage(format!("`{from}` cannot be promoted to itself")));
            }
            let subject = format!("{from} → {}", channel.channel);
            let stage = ("ami-channel", "promote");
            let (slots, exit) = work(console, &channel.account, stage, &subject, async |cx, aws| {
                let places = places(aws, channel).await?;
                let to = channel.channel();
                let from = Channel { channel: from.clone(), ..to.clone() };
                let architectures = arch.iter().cloned().collect();
                ami::promote(cx, aws, (&from, &to), &architectures, &places, every()).await
            })?;
            slots.map_or(Ok(exit), |slots| told(console, &slots, exit))
        }
    }
}

fn every() -> Duration {
    EVERY.min(Patience::default().every)
}

impl ChannelArgs {
    fn channel(&self) -> Channel {
        Channel { pattern: self.parameter.clone(), name: self.name.clone(), channel: self.channel.clone() }
    }
}

async fn images(aws: &Aws, ids: &[String]) -> Result<Vec<Image>, AwsError> {
    let mut amis = Vec::new();
    for id in ids {
        amis.push(ami::one(aws, id).await?);
    }
    Ok(amis)
}

/// Regions that were not named are meant as far as there is something in them.
async fn places(aws: &Aws, channel: &ChannelArgs) -> Result<Places, AwsError> {
    let which = channel.regions.which().unwrap_or_default();
    let strict = matches!(which, ami::Which::Only(_));
    Ok(Places { regions: ami::regions(aws, &which).await?.chosen, strict })
}

fn told(console: &Console, slots: &[Slot], exit: Exit) -> Result<Exit, Problem> {
    let bad = slots.iter().filter(|slot| !slot.verdict.is_good()).count();
    if console.json() {
        console.out(&pretty(&slots)?);
    } else {
        console.out(&shown(console.out_theme(), slots));
    }
    if slots.is_empty() {
        console.err("no region has such an image or parameter");
        return Ok(Exit::Failed);
    }
    Ok(match bad {
        0 => exit,
        bad if bad == slots.len() => exit.max(Exit::Failed),
        _ => exit.max(Exit::Partial),
    })
}

fn shown(theme: &Theme, slots: &[Slot]) -> String {
    let rows: Vec<Vec<String>> = slots
        .iter()
        .map(|slot| {
            let found = slot.found.as_deref().unwrap_or("nothing");
            let (word, note) = match slot.verdict {
                Verdict::Same => ("is right", String::new()),
                Verdict::Created => ("was made", String::new()),
                Verdict::Changed => ("was changed", format!("named {found} before")),
                Verdict::Missing => ("is missing", String::new()),
                Verdict::Differs => ("differs", format!("names {found}")),
                Verdict::WrongType => ("has another type", "its type is not aws:ec2:image".to_owned()),
                Verdict::NoImage => ("has no image", "the image was not copied to this region".to_owned()),
                Verdict::Failed => ("failed", slot.error.join(": ")),
            };
            let tone = if slot.verdict.is_good() { Tone::Good } else { Tone::Bad };
            vec![
                slot.region.clone(),
                slot.parameter.clone(),
                slot.wanted.clone().unwrap_or_else(|| "-".to_owned()),
                theme.paint(tone, word),
                theme.paint(Tone::Dim, theme.prose(&note)),
            ]
        })
        .collect();
    text::grid(theme, &["region", "parameter", "AMI", "", ""], &rows)
}
