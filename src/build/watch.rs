//! Listens to a machine, so that nobody waits for a guest that is dead.
use crate::driver::{Machine, MachineEvent};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{sync::broadcast::error::RecvError, task::JoinHandle};

/// Remembers the first fatal event of a machine. Stops listening when dropped.
#[derive(Debug)]
pub(super) struct Watch {
    trouble: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

impl Watch {
    pub(super) fn over(machine: &dyn Machine) -> Self {
        let trouble = Arc::new(Mutex::new(None));
        let mut events = machine.events();
        let slot = Arc::clone(&trouble);
        let task = tokio::spawn(async move {
            loop {
                let text = match events.recv().await {
                    Ok(MachineEvent::Off) => "the machine went off".to_owned(),
                    Ok(MachineEvent::Crashed(why)) => format!("the guest crashed ({why})"),
                    Ok(MachineEvent::IoError(why)) => {
                        format!("the machine cannot read or write its disk and was paused ({why})")
                    }
                    Ok(MachineEvent::Paused(why)) => format!("the machine was paused ({why})"),
                    Ok(MachineEvent::Reset) | Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
            }
        });
        Self { trouble, task }
    }

    /// What went wrong, if anything did.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
