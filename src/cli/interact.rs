//! Talking with the person at the terminal while a build runs: pauses before stages and after steps, and a shell in a failed guest.
use super::{console::Console, failure, render::Show, theme::Tone};
use crate::{
    build::{Access, BuildError, BuildErrorKind, Hooks},
    cx::{Cancelled, Cx, Onlooker, Stop},
};
use async_trait::async_trait;
use std::{
    fmt, io,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{process::Command, sync::oneshot};

/// The hooks of the command line.
pub(super) struct Interactive {
    person: Arc<Person>,
    /// Pause before each stage and after each step.
    debug: bool,
}

impl Interactive {
    pub(super) fn new(console: &Console, show: &Arc<dyn Show>, debug: bool) -> Self {
        let (console, show) = (console.clone(), Arc::clone(show));
        Self { person: Arc::new(Person { console, show, login: Mutex::default() }), debug }
    }
}

/// Who sits at the terminal.
struct Person {
    console: Console,
    show: Arc<dyn Show>,
    /// How to log into the guest of now.
    login: Mutex<Option<String>>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person").finish_non_exhaustive()
    }
}

impl Person {
    /// Shows `head` and how to log in, and waits until the person wants to go on.
    async fn ask(&self, head: &str, stop: &Stop) -> Result<(), Cancelled> {
        let theme = self.console.err_theme();
        let login = self.login.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.show.pause();
        self.console.err(&format!("\n{head}"));
        if let Some(login) = login {
            self.console.err(&format!("  log in with: {}", theme.paint(Tone::Accent, login)));
        }
        self.console.prompt("  Enter continues, q aborts: ");
        let answer = line(stop).await;
        self.show.resume();
        match answer? {
            Some(answer) if answer.trim().eq_ignore_ascii_case("q") => Err(Cancelled),
            Some(_) => Ok(()),
            // The terminal went away: nobody is there to continue.
            None => Err(Cancelled),
        }
    }
}

#[async_trait]
impl Onlooker for Person {
    async fn after_step(&self, step: &str, stop: &Stop) -> Result<(), Cancelled> {
        let head = self.console.err_theme().paint(Tone::Strong, "done:");
        self.ask(&format!("{head} {step}"), stop).await
    }
}

#[async_trait]
impl Hooks for Interactive {
    async fn before(&self, cx: &Cx, stage: &str, access: Option<&Access>) -> Result<(), BuildError> {
        if !self.debug {
            return Ok(());
        }
        let login = access.map(|access| failure::shell_line(&access.command()));
        *self.person.login.lock().unwrap_or_else(PoisonError::into_inner) = login;
        let head = self.person.console.err_theme().paint(Tone::Strong, "next stage:");
        Ok(self.person.ask(&format!("{head} {stage}"), cx.stop()).await?)
    }

    fn onlooker(&self) -> Option<Arc<dyn Onlooker>> {
        self.debug.then(|| Arc::clone(&self.person) as _)
    }

    async fn failed(&self, cx: &Cx, error: &BuildError, access: Option<&Access>) {
        // Who interrupts a build does not want to look around in it.
        if error.kind() == BuildErrorKind::Interrupted {
            return;
        }
        let Person { console, show, .. } = &*self.person;
        let theme = console.err_theme();
        show.pause();
        console.err(&format!("\n{}", failure::error(theme, error)));
        match access {
            Some(access) => {
                let head = theme.paint(Tone::Strong, "opening a shell in the guest");
                console.err(&format!("{head}; leave it with `exit`, then everything is removed\n"));
                if let Err(error) = shell(access, cx.stop()).await {
                    let command = failure::shell_line(&access.command());
                    console.err(&failure::chain(
                        theme,
                        &[format!("could not run `{command}`"), error.to_string()],
                        &["`goldsmith doctor` says how to install an SSH client".to_owned()],
                    ));
                }
            }
            None => console.err("there is no guest to log into; everything is removed"),
        }
        show.resume();
    }
}

/// Runs the login command on this terminal until the user leaves it or the build is cancelled.
async fn shell(access: &Access, stop: &Stop) -> io::Result<()> {
    let command = access.command();
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    match stop.unless_cancelled(child.wait()).await {
        Ok(status) => status.map(drop),
        Err(Cancelled) => child.kill().await,
    }
}

/// A line that the user types; `None` at the end of input. The reading thread outlives a cancelled build, and goes with the
/// process: nothing can wake it, and a runtime would wait for it.
async fn line(stop: &Stop) -> Result<Option<String>, Cancelled> {
    let (send, receive) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("answer".into()).spawn(move || {
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        let _ = send.send(read.is_ok_and(|bytes| bytes > 0).then_some(answer));
    });
    if spawned.is_err() {
        return Ok(None);
    }
    Ok(stop.unless_cancelled(receive).await?.unwrap_or_default())
}
