//! Keys for an installer that starts from its CD-ROM.
use super::{
    BuildError, BuildErrorKind,
    console::{Console, squeezed},
};
use crate::{
    cx::{Cx, Look, Sight, WaitError},
    driver::Machine,
    plan::{
        TypedStep, TypedWait,
        typed::{self, Chord},
    },
};
use std::time::Duration;

/// How long a key is down; boot loaders poll the keyboard.
const HOLD: Duration = Duration::from_millis(40);
/// The key that ends a line (`KEY_ENTER`).
const ENTER: u32 = 28;
/// How often the console is read.
const EVERY: Duration = Duration::from_millis(250);

/// Does what `steps` say. There are pictures of the screen before and after each, `typed-1-before.png`; `ended` tells why it
/// is pointless to go on.
pub(super) async fn run(
    cx: &Cx,
    machine: &dyn Machine,
    steps: &[TypedStep],
    console: &mut Console,
    ended: &(dyn Fn() -> Option<String> + Sync),
) -> Result<(), BuildError> {
    for (index, step) in steps.iter().enumerate() {
        wait(cx, machine, step, console, ended).await?;
        picture(cx, machine, index, "before").await;
        cx.events().notice(format!("typing: {}", step.label));
        let actions = typed::parse(&step.keys)
            .map_err(|error| BuildError::because(format!("could not type `{}`", step.label), error))?;
        press(cx, machine, &typed::chords(&actions), ended).await?;
        picture(cx, machine, index, "after").await;
    }
    Ok(())
}

async fn press(
    cx: &Cx,
    machine: &dyn Machine,
    chords: &[Chord],
    ended: &(dyn Fn() -> Option<String> + Sync),
) -> Result<(), BuildError> {
    let mut rest = chords;
    while let Some((first, others)) = rest.split_first() {
        if let Some(why) = ended() {
            return Err(BuildError::new(BuildErrorKind::Failed, why));
        }
        match first {
            Chord::Wait(time) => {
                cx.stop().unless_cancelled(tokio::time::sleep(*time)).await?;
                rest = others;
            }
            Chord::Press { hold, .. } => {
                let (line, after) = line(rest, *hold);
                let sent = machine.send_chords(&line, hold.unwrap_or(HOLD));
                if let Err(error) = cx.stop().unless_cancelled(sent).await? {
                    // That it is gone says more than that its keyboard is.
                    return Err(match ended() {
                        Some(why) => BuildError::new(BuildErrorKind::Failed, why),
                        None => error.into(),
                    });
                }
                rest = after;
            }
        }
    }
    Ok(())
}

/// The presses up to a pause or to the first Return, which are sent at once, and what comes after them.
fn line(chords: &[Chord], hold: Option<Duration>) -> (Vec<Vec<u32>>, &[Chord]) {
    let mut line = Vec::new();
    for chord in chords {
        match chord {
            Chord::Press { keys, hold: own } if *own == hold => line.push(keys.clone()),
            _ => break,
        }
        if line.last().is_some_and(|keys| keys.contains(&ENTER)) {
            break;
        }
    }
    let after = &chords[line.len()..];
    (line, after)
}

async fn wait(
    cx: &Cx,
    machine: &dyn Machine,
    step: &TypedStep,
    console: &mut Console,
    ended: &(dyn Fn() -> Option<String> + Sync),
) -> Result<(), BuildError> {
    match &step.wait {
        TypedWait::Time(time) => {
            cx.events().notice(format!("waiting {time} before typing: {}", step.label));
            cx.stop().unless_cancelled(tokio::time::sleep(time.get())).await?;
            Ok(())
        }
        TypedWait::Screen { text, limit } => cx
            .wait_for(&format!("the screen to show \u{201c}{text}\u{201d}"), limit.get(), EVERY, || async move {
                let shown = match machine.screen_text().await {
                    Ok(shown) => shown,
                    Err(error) => return Look::Hopeless(ended().map_or_else(|| error.into(), Into::into)),
                };
                match ended() {
                    _ if squeezed(&shown).contains(&squeezed(text)) => Look::Ready(()),
                    Some(why) => Look::Hopeless(why.into()),
                    None => {
                        let last = shown.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
                        Look::NotYet(vec![Sight::no("shown", last.trim().to_owned())])
                    }
                }
            })
            .await
            .map_err(|error| {
                failed(step, error, "a screen can be read in text mode only: `screenshot.png` shows what was there. Use `after` or `serial` for others")
            }),
        TypedWait::Serial { text, limit } => cx
            .wait_for(&format!("the console to print \u{201c}{text}\u{201d}"), limit.get(), EVERY, || {
                console.read();
                let (said, last) = (console.said(text), console.last_line().to_owned());
                async move {
                    match ended() {
                        _ if said => Look::Ready(()),
                        Some(why) => Look::Hopeless(why.into()),
                        None => Look::NotYet(vec![Sight::no("printed", last)]),
                    }
                }
            })
            .await
            .map_err(|error| {
                failed(step, error, "does the boot loader write to the serial console? Use `after` with a time where it does not")
            }),
    }
}

/// What was waited for before `step` did not come.
fn failed(step: &TypedStep, error: WaitError, hint: &str) -> BuildError {
    BuildError::because(format!("could not type `{}`", step.label), error)
        .kind_unless_interrupted(BuildErrorKind::Failed)
        .hint(hint)
}

/// A picture of the screen; what cannot be photographed is left out.
async fn picture(cx: &Cx, machine: &dyn Machine, index: usize, when: &str) {
    if let Ok(png) = machine.screenshot().await {
        let _ = std::fs::write(cx.logs().join(format!("typed-{}-{when}.png", index + 1)), png);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_return_at_a_pause_and_where_keys_are_held() {
        let actions = typed::parse("ab<enter>c<wait>d<aOn><wait2><aOff>e").unwrap();
        let chords = typed::chords(&actions);
        let (mut rest, mut lines) = (chords.as_slice(), Vec::new());
        while let Some((first, others)) = rest.split_first() {
            match first {
                Chord::Wait(_) => rest = others,
                Chord::Press { hold, .. } => {
                    let (keys, after) = line(rest, *hold);
                    lines.push((keys.len(), hold.is_some()));
                    rest = after;
                }
            }
        }
        assert_eq!(lines, [(3, false), (1, false), (1, false), (1, true), (1, false)]);
    }
}
