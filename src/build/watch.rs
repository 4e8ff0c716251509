//! Listens to a machine, so that nobody waits for a guest that is dead.
use crate::driver::{Machine, MachineEvent};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{sync::broadcast::error::RecvError, task::JoinHandle};

/// A guest that restarts so often before anybody could log in will not stop doing so.
const RESTARTS: usize = 4;

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It went off; for an installer that is how it is done.
    Off,
    /// Something else, in words.
    Failed(String),
}

/// Remembers how a machine ended, and how often it restarted. Stops listening when dropped.
#[derive(Debug)]
pub(super) struct Watch {
    ended: Arc<Mutex<Option<Ended>>>,
    restarts: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Watch {
    pub(super) fn over(machine: &dyn Machine) -> Self {
        let ended = Arc::new(Mutex::new(None));
        let mut events = machine.events();
        let restarts = Arc::new(AtomicUsize::new(0));
        let (slot, count) = (Arc::clone(&ended), Arc::clone(&restarts));
        let task = tokio::spawn(async move {
            loop {
                let end = match events.recv().await {
                    Ok(MachineEvent::Off) => Ended::Off,
                    Ok(MachineEvent::Crashed(why)) => Ended::Failed(format!("the guest crashed ({why})")),
                    Ok(MachineEvent::IoError(why)) => Ended::Failed(format!(
                        "the machine cannot read or write its disk and was paused ({why})"
                    )),
                    Ok(MachineEvent::Paused(why)) => Ended::Failed(format!("the machine was paused ({why})")),
                    Ok(MachineEvent::Reset) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(end);
            }
        });
        Self { ended, restarts, task }
    }

    /// What keeps the guest from coming up: what went wrong, or that it restarts again and again. A guest that is up may restart as
    /// often as it is told to.
    pub(super) fn trouble_at_boot(&self) -> Option<String> {
        let restarts = self.restarts.load(Ordering::Relaxed);
        let again = || format!("the guest restarted {restarts} times before anybody could log in");
        self.trouble().or_else(|| (restarts >= RESTARTS).then(again))
    }

    /// What went wrong, if anything did. A guest that is needed must not go off.
    pub(super) fn trouble(&self) -> Option<String> {
        Some(match self.ended()? {
            Ended::Off => "the machine went off".to_owned(),
            Ended::Failed(why) => why,
        })
    }

    /// How the machine ended, if it did.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
