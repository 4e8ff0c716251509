//! `goldsmith bundle push`: files of bundles to a server or folder of artifacts.
use super::{absolute, line, open, run as run_task};
use crate::{
    bundle::{self, Base, Target, Trust},
    cli::{
        args::PushBundle, commands::cloudstack::first_line, console::Console, exit::Exit, problem::Problem,
        theme::Tone, words::count,
    },
    value::Size,
};
use serde_json::json;
use std::path::Path;

pub(super) fn run(arguments: &PushBundle, console: &Console) -> Result<Exit, Problem> {
    let target = target(arguments)?;
    let bundles = open(&arguments.bundles.files)?;
    let subject = arguments.bundles.files.first().map_or(Path::new("bundle"), |path| path.as_path());
    let (pushed, exit) = run_task(console, ("bundle-push", subject), async |cx, _| {
        if let Some((_, password)) = &target.login {
            cx.redactor().learn(password);
        }
        Ok(Box::pin(bundle::push(cx, &bundles, &target)).await?)
    })?;
    let Some(pushed) = pushed else { return Ok(exit) };
    if console.json() {
        line(console, &json!({ "event": "pushed", "files": pushed }))?;
        return Ok(exit);
    }
    let theme = console.err_theme();
    let kept = pushed.iter().filter(|file| file.kept).count();
    let kept = if kept > 0 { format!(", {kept} of them were there") } else { String::new() };
    console.note(&format!(
        "{} {}: {}, {}{kept}",
        theme.mark(true),
        theme.paint(Tone::Strong, &arguments.to),
        count(pushed.len(), "file"),
        Size::bytes(pushed.iter().map(|file| file.bytes).sum()),
    ));
    if !console.out_is_terminal() {
        for file in &pushed {
            console.out(&file.to);
        }
    }
    Ok(exit)
}

fn target(arguments: &PushBundle) -> Result<Target, Problem> {
    let base = |text: &str| {
        Base::read(text).map_err(|why| Problem::usage(format!("nothing can be pushed to `{text}`: {why}")))
    };
    let to = base(&arguments.to)?;
    let or_below = |said: Option<&String>, name: &str| match said {
        Some(text) => base(text),
        None => Ok(to.below(name)),
    };
    let login = match (&arguments.user, &arguments.password_file) {
        (Some(user), Some(file)) => Some((user.clone(), first_line(file)?)),
        _ => None,
    };
    let trust = match &arguments.ca_file {
        Some(path) => Trust::CaFile(absolute(path)?),
        None => Trust::System,
    };
    Ok(Target {
        eksd: or_below(arguments.eksd.as_ref(), "eks-d-artifacts")?,
        eksa: or_below(arguments.eksa.as_ref(), "eks-a-artifacts")?,
        to,
        login,
        trust,
    })
}
