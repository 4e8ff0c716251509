//! A connection to libvirt, and how its blocking calls are made.
use super::{
    embed::{self, Lease},
    event::{self, Subscription},
    place::Place,
    remote::{self, Host},
};
use crate::driver::{DriverError, DriverErrorKind};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use virt::{connect::Connect, error::ErrorNumber};

/// Opening includes the first look at QEMU (2-5 s) and maybe the start of a daemon.
const OPEN_LIMIT: Duration = Duration::from_secs(90);

/// An open connection whose events are delivered.
#[derive(Debug)]
pub(super) struct Connection {
    connect: Connect,
    id: usize,
    subscription: Subscription,
    lease: Option<Lease>,
}

impl Connection {
    /// Opens `uri`.
    pub(super) async fn open(uri: &str, place: Place, run_root: &Path) -> Result<Arc<Self>, DriverError> {
        let host = if place == Place::Remote { Some(Host::parse(uri)?) } else { None };
        if place == Place::Embed && !embed::is_open() {
            embed::sweep(run_root).await?;
        }
        let (uri, run_root) = (uri.to_owned(), run_root.to_owned());
        let attempt = format!("connect to libvirt at `{uri}`");
        blocking(&attempt.clone(), OPEN_LIMIT, move || {
            Self::open_blocking(&uri, place, host.as_ref(), run_root, &attempt)
        })
        .await
    }

    fn open_blocking(
        uri: &str,
        place: Place,
        host: Option<&Host>,
        run_root: PathBuf,
        attempt: &str,
    ) -> Result<Arc<Self>, DriverError> {
        // libvirt initialises itself and the embedded driver without a lock of its own.
        static OPENING: Mutex<()> = Mutex::new(());
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let _opening = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let lease = match place {
            Place::Embed => Some(Lease::take(&run_root)?),
            // The embedded driver takes all local URIs of its process from then on, and fails for them.
            _ if embed::is_open() => {
                return Err(DriverError::new(DriverErrorKind::Unsupported, attempt)
                    .because("this process uses libvirt's embedded driver, which rules its daemons out")
                    .hint("build definitions with different `uri`s in separate runs"));
            }
            _ => None,
        };
        // A daemon keeps its own log; what the client library would add, it also returns.
        let log = lease
            .as_ref()
            .map_or_else(|| PathBuf::from("/dev/null"), |lease| lease.root().join("libvirt.log"));
        event::start(&log)?;
        let target = match (&lease, host) {
            (Some(lease), _) => lease.uri(),
            (None, Some(host)) => host.open_uri(),
            (None, None) => uri.to_owned(),
        };
        let connect = Connect::open(Some(&target)).map_err(|error| match host {
            Some(host) => explain_remote(host, attempt, &error),
            None => explain_open(place, failed(attempt, &error), &error),
        })?;
        if host.is_some() {
            // A network that went away must not leave a call waiting for ever. An old libvirt there may not know it.
            let _ = connect.set_keep_alive(5, 6);
        }
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        match event::subscribe(&connect, id) {
            Ok(subscription) => Ok(Arc::new(Self { connect, id, subscription, lease })),
            Err(error) => {
                close(connect);
                Err(failed(attempt, &error))
            }
        }
    }

    /// libvirt's handle.
    pub(super) fn connect(&self) -> &Connect {
        &self.connect
    }

    /// Whether it still works, as far as this side can know.
    pub(super) fn is_alive(&self) -> bool {
        self.connect.is_alive().unwrap_or(false)
    }

    /// Its number in this process, for the delivery of events.
    pub(super) fn id(&self) -> usize {
        self.id
    }

    /// The private folder of the embedded driver.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        event::unsubscribe(&self.connect, &self.subscription);
        // The handle is counted: this closes it, as `virt` does not do so by itself.
        let _ = self.connect.close();
    }
}

fn close(mut connect: Connect) {
    let _ = connect.close();
}

/// Makes a blocking call of libvirt on a thread for such calls. When `limit` passes, the thread is left to itself: libvirt
/// has no way to interrupt it.
pub(super) async fn blocking<T: Send + 'static>(
    attempt: &str,
    limit: Duration,
    work: impl FnOnce() -> Result<T, DriverError> + Send + 'static,
) -> Result<T, DriverError> {
    match tokio::time::timeout(limit, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(join)) => Err(DriverError::new(DriverErrorKind::Other, attempt).because(join)),
        Err(_) => Err(DriverError::new(DriverErrorKind::Timeout, attempt)
            .because(format!("libvirt did not answer within {} s", limit.as_secs()))),
    }
}

/// Moves files on a thread for blocking calls. It has no limit but that of the connection, which notices when the other side is
/// gone, and the caller's cancellation.
pub(super) async fn transfer<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DriverError> + Send + 'static,
) -> Result<T, DriverError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(join) => Err(DriverError::new(DriverErrorKind::Other, "move files").because(join)),
    }
}

/// libvirt's error as ours.
pub(super) fn failed(attempt: &str, error: &virt::error::Error) -> DriverError {
    let kind = match error.code() {
        ErrorNumber::NoDomain => DriverErrorKind::NotFound,
        ErrorNumber::AuthFailed | ErrorNumber::AuthCancelled | ErrorNumber::AuthUnavailable => {
            DriverErrorKind::Auth
        }
        ErrorNumber::OperationDenied | ErrorNumber::AccessDenied => DriverErrorKind::Permission,
        ErrorNumber::NoSupport
        | ErrorNumber::ConfigUnsupported
        | ErrorNumber::ArgumentUnsupported
        | ErrorNumber::OperationUnsupported => DriverErrorKind::Unsupported,
        ErrorNumber::OperationTimeout => DriverErrorKind::Timeout,
        ErrorNumber::NoConnect | ErrorNumber::Rpc | ErrorNumber::InvalidConn => DriverErrorKind::Unavailable,
        _ => DriverErrorKind::Other,
    };
    DriverError::new(kind, attempt).because(error.message().to_owned())
}

/// Whether libvirt says that there is no such domain.
pub(super) fn is_gone(error: &virt::error::Error) -> bool {
    error.code() == ErrorNumber::NoDomain
}

/// What to do when a connection does not open.
fn explain_open(place: Place, failed: DriverError, error: &virt::error::Error) -> DriverError {
    let message = error.message();
    let missing_module = message.contains("driver_qemu") || error.code() == ErrorNumber::NoConnect;
    let hint = match place {
        // libvirt resolves the user it was compiled for before it reads which one to use.
        Place::Embed if message.contains("parse user") || message.contains("parse group") => {
            "as root, libvirt wants its own user to exist: useradd --system --user-group --no-create-home --shell \
             /usr/sbin/nologin libvirt-qemu; or build as an ordinary user"
                .to_owned()
        }
        Place::Embed if missing_module => DRIVER_HINT.to_owned(),
        Place::System if message.contains("Permission denied") || message.contains("authentication") => {
            "sudo usermod -aG libvirt \"$USER\", then log in again; or use `qemu:///embed`, which needs no daemon".to_owned()
        }
        Place::System if message.contains("socket") => {
            "sudo apt-get install libvirt-daemon-system, and `sudo systemctl start libvirtd`; or use `qemu:///embed`, which needs no daemon".to_owned()
        }
        Place::Session if message.contains("socket") || message.contains("daemon") || message.contains("spawn") => {
            "sudo apt-get install libvirt-daemon libvirt-daemon-driver-qemu; or use `qemu:///embed`, which needs no daemon".to_owned()
        }
        _ => return failed,
    };
    failed.hint(hint)
}

/// What to do when the connection to another host does not open.
fn explain_remote(host: &Host, attempt: &str, error: &virt::error::Error) -> DriverError {
    match remote::explain(host, error.message()) {
        Some((kind, hint)) => {
            DriverError::new(kind, attempt).because(error.message().trim().to_owned()).hint(hint)
        }
        None => failed(attempt, error),
    }
}

/// What brings libvirt's QEMU driver.
pub(super) const DRIVER_HINT: &str =
    "sudo apt-get install --no-install-recommends libvirt-daemon-driver-qemu";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_hangs_is_given_up() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let error = blocking("see it", Duration::from_millis(30), move || {
            let _ = held.recv();
            Ok(())
        })
        .await
        .unwrap_err();
        assert_eq!(error.kind(), DriverErrorKind::Timeout);
        drop(release);
    }
}
