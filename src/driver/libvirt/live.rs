//! The machines that this process has made: what libvirt's events are delivered to, and how an undo meets a start that is
//! still under way.
use crate::driver::MachineEvent;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{broadcast, watch};
use virt::domain::Domain;

/// Where a machine is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not started yet.
    Made,
    /// The call that starts it has not returned.
    Starting,
    /// libvirt has started it.
    On,
    /// It has ended.
    Off,
    /// It has ended badly.
    Crashed,
}

/// What an event of libvirt means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// It is off.
    Stopped,
    /// It went away by a panic of the guest or the death of QEMU.
    Crashed(&'static str),
    /// The guest restarted.
    Reset,
    /// Execution stopped because of a disk.
    IoError(String),
    /// Execution stopped for another reason.
    Paused(&'static str),
    /// Execution goes on.
    Resumed,
}

/// One machine of this process.
#[derive(Debug)]
pub(super) struct Live {
    uuid: uuid::Uuid,
    /// Events of other connections about the same domain are not for it.
    connection: usize,
    phase: watch::Sender<Phase>,
    events: broadcast::Sender<MachineEvent>,
    doomed: AtomicBool,
    /// How often execution went on after a pause.
    resumed: AtomicUsize,
    domain: Mutex<Option<Arc<Domain>>>,
    runtime: tokio::runtime::Handle,
}

/// A panic shows first as a pause, and as what it is a moment later. So does a machine that we start stopped.
const PAUSE_DOUBT: Duration = Duration::from_millis(500);

/// Events that a slow listener may be behind before it loses the oldest.
const BACKLOG: usize = 64;

impl Live {
    /// Registers a machine that is about to be made through `connection`. Within a tokio runtime only.
    pub(super) fn register(uuid: uuid::Uuid, connection: usize) -> Arc<Self> {
        let live = Arc::new(Self {
            uuid,
            connection,
            phase: watch::Sender::new(Phase::Made),
            events: broadcast::Sender::new(BACKLOG),
            doomed: AtomicBool::new(false),
            resumed: AtomicUsize::new(0),
            domain: Mutex::new(None),
            runtime: tokio::runtime::Handle::current(),
        });
        all().insert(uuid, Arc::downgrade(&live));
        live
    }

    /// The machine of this process with this UUID.
    pub(super) fn find(uuid: uuid::Uuid) -> Option<Arc<Self>> {
        all().get(&uuid).and_then(Weak::upgrade)
    }

    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub(super) fn events(&self) -> broadcast::Receiver<MachineEvent> {
        self.events.subscribe()
    }

    /// The handle to the running domain.
    pub(super) fn domain(&self) -> Option<Arc<Domain>> {
        self.lock_domain().clone()
    }

    fn lock_domain(&self) -> MutexGuard<'_, Option<Arc<Domain>>> {
        self.domain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the start; `false` when it was started before or must not start any more.
    pub(super) fn begin(&self) -> bool {
        self.phase.send_if_modified(|phase| {
            let fresh = *phase == Phase::Made && !self.doomed.load(Ordering::SeqCst);
            if fresh {
                *phase = Phase::Starting;
            }
            fresh
        })
    }

    /// The start is over; returns whether the machine was doomed meanwhile and must be ended by whoever started it.
    pub(super) fn started(&self, domain: Option<Domain>) -> bool {
        let on = domain.is_some();
        *self.lock_domain() = domain.map(Arc::new);
        // It may already be off again; that event must not be overwritten.
        self.phase.send_if_modified(|phase| {
            let starting = *phase == Phase::Starting;
            if starting {
                *phase = if on { Phase::On } else { Phase::Off };
            }
            starting
        });
        on && self.doomed.load(Ordering::SeqCst)
    }

    /// It must not run any more, not even if its start is under way.
    pub(super) fn doom(&self) {
        self.doomed.store(true, Ordering::SeqCst);
        self.phase.send_if_modified(|phase| {
            let made = *phase == Phase::Made;
            if made {
                *phase = Phase::Off;
            }
            made
        });
    }

    /// Waits while the start is under way, at most for `limit`; returns whether it is over.
    pub(super) async fn settled(&self, limit: Duration) -> bool {
        let mut phases = self.phase.subscribe();
        let settled = phases.wait_for(|phase| *phase != Phase::Starting);
        tokio::time::timeout(limit, settled).await.is_ok()
    }

    /// Waits until it has ended, at most for `limit`; returns whether it has.
    pub(super) async fn ended(&self, limit: Duration) -> bool {
        let mut phases = self.phase.subscribe();
        let ended = phases.wait_for(|phase| matches!(phase, Phase::Off | Phase::Crashed));
        tokio::time::timeout(limit, ended).await.is_ok()
    }

    /// It has ended, says someone who looked; an event may have told so before.
    pub(super) fn found_off(&self) {
        self.take(Notice::Stopped);
    }

    fn take(&self, notice: Notice) {
        let (next, event) = match notice {
            Notice::Stopped => (Some(Phase::Off), MachineEvent::Off),
            Notice::Crashed(why) => (Some(Phase::Crashed), MachineEvent::Crashed(why.to_owned())),
            Notice::Reset => (None, MachineEvent::Reset),
            Notice::IoError(what) => (None, MachineEvent::IoError(what)),
            Notice::Paused(why) => (None, MachineEvent::Paused(why.to_owned())),
            Notice::Resumed => return,
        };
        // One end per machine: libvirt reports a panic and then that the machine stopped.
        let news = match next {
            None => true,
            Some(next) => self.phase.send_if_modified(|phase| {
                let alive = !matches!(phase, Phase::Off | Phase::Crashed);
                if alive {
                    *phase = next;
                }
                alive
            }),
        };
        if news {
            // Nobody listening is fine.
            let _ = self.events.send(event);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut all = all();
        // A second machine of the same name may have taken the place.
        if all.get(&self.uuid).is_some_and(|live| live.strong_count() == 0) {
            all.remove(&self.uuid);
        }
    }
}

fn all() -> MutexGuard<'static, HashMap<uuid::Uuid, Weak<Live>>> {
    static ALL: OnceLock<Mutex<HashMap<uuid::Uuid, Weak<Live>>>> = OnceLock::new();
    ALL.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands a notice that came through `connection` to its machine. Called by libvirt's event thread.
pub(super) fn deliver(uuid: uuid::Uuid, connection: usize, notice: Notice) {
    // The lock is released before the machine is told (and before it is dropped, which takes the lock).
    let live = Live::find(uuid);
    let Some(live) = live.filter(|live| live.connection == connection) else { return };
    match notice {
        Notice::Paused(_) => {
            let runtime = live.runtime.clone();
            let resumed = live.resumed.load(Ordering::SeqCst);
            runtime.spawn(async move {
                if !live.ended(PAUSE_DOUBT).await && live.resumed.load(Ordering::SeqCst) == resumed {
                    live.take(notice);
                }
            });
        }
        Notice::Resumed => {
            live.resumed.fetch_add(1, Ordering::SeqCst);
        }
        notice => live.take(notice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_hears_only_its_own_connection_and_ends_once() {
        let uuid = uuid::Uuid::new_v4();
        let live = Live::register(uuid, 7);
        let mut events = live.events();
        assert!(live.begin() && !live.begin());
        deliver(uuid, 8, Notice::Reset);
        deliver(uuid, 7, Notice::Crashed("panic"));
        deliver(uuid, 7, Notice::Stopped);
        assert!(!live.started(None));
        assert_eq!(live.phase(), Phase::Crashed);
        assert_eq!(events.try_recv().unwrap(), MachineEvent::Crashed("panic".into()));
        assert!(events.try_recv().is_err());
        drop(live);
        assert!(Live::find(uuid).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_was_a_panic_is_told_only_as_a_panic() {
        let uuid = uuid::Uuid::new_v4();
        let live = Live::register(uuid, 3);
        let mut events = live.events();
        deliver(uuid, 3, Notice::Paused("why"));
        deliver(uuid, 3, Notice::Crashed("panic"));
        tokio::time::sleep(PAUSE_DOUBT * 2).await;
        assert_eq!(events.try_recv().unwrap(), MachineEvent::Crashed("panic".into()));
        assert!(events.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_is_over_at_once_is_not_told() {
        let uuid = uuid::Uuid::new_v4();
        let live = Live::register(uuid, 5);
        let mut events = live.events();
        deliver(uuid, 5, Notice::Paused("why"));
        deliver(uuid, 5, Notice::Resumed);
        tokio::time::sleep(PAUSE_DOUBT * 2).await;
        assert!(events.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_that_lasts_is_told() {
        let uuid = uuid::Uuid::new_v4();
        let live = Live::register(uuid, 4);
        let mut events = live.events();
        deliver(uuid, 4, Notice::Paused("why"));
        assert_eq!(events.recv().await.unwrap(), MachineEvent::Paused("why".into()));
        assert_eq!(live.phase(), Phase::Made);
    }

    #[tokio::test]
    async fn a_doomed_machine_does_not_start() {
        let live = Live::register(uuid::Uuid::new_v4(), 1);
        live.doom();
        assert!(!live.begin());
        assert_eq!(live.phase(), Phase::Off);
    }

    #[tokio::test]
    async fn an_undo_waits_for_a_start_that_is_under_way() {
        let live = Live::register(uuid::Uuid::new_v4(), 1);
        assert!(live.begin());
        live.doom();
        assert!(!live.settled(Duration::from_millis(20)).await);
        let other = live.clone();
        let waiting = tokio::spawn(async move { other.settled(Duration::from_secs(5)).await });
        live.started(None);
        assert!(waiting.await.unwrap());
    }
}
