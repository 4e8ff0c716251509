//! Signals: the first one cleans up, the second hurries, the third gives up.
use super::{
    exit,
    leave::leave,
    render::Show,
    theme::{Theme, Tone},
};
use crate::cx::Stop;
use std::{io, sync::Arc};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Turns SIGINT, SIGTERM and SIGHUP into `stop`, and says so. From here on they do not end the process by themselves.
pub(super) fn watch(stop: Stop, show: Arc<dyn Show>, theme: Theme) -> io::Result<Watch> {
    let mut signals = Signals::listen()?;
    Ok(Watch(tokio::spawn(async move {
        let interrupted = theme.paint(Tone::Warn, "interrupted");
        signals.next().await;
        show.say(&format!("{interrupted}: cleaning up, press Ctrl-C again to hurry"));
        stop.cancel();
        signals.next().await;
        show.say(&format!("{interrupted}: hurrying, press Ctrl-C again to leave everything as it is"));
        stop.hurry();
        signals.next().await;
        show.close();
        // The user insists: no destructor of ours may hold us up now. The journal knows what is left.
        show.say(&format!(
            "{interrupted}: something was left behind; remove it with `{}`",
            super::failure::gc_command()
        ));
        leave(exit::INTERRUPTED_LEFTOVERS);
    })))
}

/// The same for work that leaves nothing behind and stops soon: there is nothing to hurry.
pub(super) fn watch_work(stop: Stop, show: Arc<dyn Show>, theme: Theme) -> io::Result<Watch> {
    let mut signals = Signals::listen()?;
    Ok(Watch(tokio::spawn(async move {
        loop {
            signals.next().await;
            stop.cancel();
            show.say(&format!("{}: stopping", theme.paint(Tone::Warn, "interrupted")));
        }
    })))
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
