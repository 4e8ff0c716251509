//! libvirt's event loop and callbacks: the one place that talks to its C interface, because the `virt` crate wraps neither.
#![allow(unsafe_code, reason = "event callbacks have no safe wrapper")]
use super::live::{self, Notice};
use crate::driver::{DriverError, DriverErrorKind};
use std::{
    ffi::{CStr, c_char, c_int, c_void},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use virt::{connect::Connect, sys};

/// Starts the event loop, which must run before a connection is opened, and turns libvirt's own messages from the terminal
/// to the file `log`. Once per process; later calls do nothing.
pub(super) fn start(log: &Path) -> Result<(), DriverError> {
    static STARTED: Mutex<bool> = Mutex::new(false);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    if *started {
        return Ok(());
    }
    let attempt = || DriverError::new(DriverErrorKind::Unavailable, "start libvirt's event loop");
    virt::error::clear_error_callback();
    with_messages_to(log, virt::event::event_register_default_impl)
        .map_err(|error| attempt().because(error.message().to_owned()))?;
    std::thread::Builder::new()
        .name("libvirt-events".into())
        .spawn(|| {
            loop {
                if virt::event::event_run_default_impl().is_err() {
                    // It fails only when poll(2) does; then it must not spin.
                    std::thread::park_timeout(Duration::from_millis(100));
                }
            }
        })
        .map_err(|error| attempt().because(error))?;
    *started = true;
    Ok(())
}

/// libvirt writes warnings to standard error, over our progress display, and reads the place for them only from the
/// environment, when it is first used: which `initialise` does. What the user set stays.
fn with_messages_to<T>(log: &Path, initialise: impl FnOnce() -> T) -> T {
    const VARIABLE: &str = "LIBVIRT_LOG_OUTPUTS";
    if std::env::var_os(VARIABLE).is_some() {
        return initialise();
    }
    // Outputs are separated by blanks, which can therefore not be in the path.
    let file = log.to_str().filter(|path| !path.contains(char::is_whitespace)).unwrap_or("/dev/null");
    // SAFETY: Rust's own readers of the environment share a lock with `set_var`. C code that calls getenv(3) in another
    // thread at this moment reads the old array, which libc leaves in place when the first variable is added; nothing else
    // in this program sets variables.
    unsafe { std::env::set_var(VARIABLE, format!("3:file:{file}")) };
    let initialised = initialise();
    // Programs that we start must not inherit it: they would fail when the file is gone.
    // SAFETY: as above; removing moves pointers within the array and frees nothing that a reader may hold.
    unsafe { std::env::remove_var(VARIABLE) };
    initialised
}

/// Callbacks of one connection.
#[derive(Debug)]
pub(super) struct Subscription(Vec<c_int>);

type Generic = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);
type Lifecycle =
    unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, c_int, c_int, *mut c_void) -> c_int;
type IoError = unsafe extern "C" fn(
    sys::virConnectPtr,
    sys::virDomainPtr,
    *const c_char,
    *const c_char,
    c_int,
    *const c_char,
    *mut c_void,
);

/// Has the events of `connect` delivered to the machines made through the connection number `id`.
pub(super) fn subscribe(connect: &Connect, id: usize) -> Result<Subscription, virt::error::Error> {
    // SAFETY: libvirt calls a callback with the signature that belongs to its event id, whatever it is declared as here;
    // the ids below belong to these signatures (libvirt-domain.h, virDomainEventID).
    let (lifecycle, io_error) = unsafe {
        (
            std::mem::transmute::<Lifecycle, Generic>(on_lifecycle),
            std::mem::transmute::<IoError, Generic>(on_io_error),
        )
    };
    let wanted = [
        (sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle),
        (sys::VIR_DOMAIN_EVENT_ID_REBOOT, on_reboot as Generic),
        (sys::VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, io_error),
    ];
    let mut subscription = Subscription(Vec::with_capacity(wanted.len()));
    for (event, callback) in wanted {
        // The number travels as the opaque pointer, which nobody follows: nothing to free, nothing to outlive.
        let opaque = std::ptr::without_provenance_mut(id);
        // SAFETY: the connection is open, a null domain means all, and the opaque value needs no free function.
        let number = unsafe {
            sys::virConnectDomainEventRegisterAny(
                connect.as_ptr(),
                std::ptr::null_mut(),
                event as c_int,
                Some(callback),
                opaque,
                None,
            )
        };
        if number < 0 {
            let error = virt::error::Error::last_error();
            unsubscribe(connect, &subscription);
            return Err(error);
        }
        subscription.0.push(number);
    }
    Ok(subscription)
}

/// Ends the delivery; the connection cannot close before.
pub(super) fn unsubscribe(connect: &Connect, subscription: &Subscription) {
    for number in &subscription.0 {
        // SAFETY: the connection is open and the number came from it. Failing leaves a callback that finds no machine.
        unsafe { sys::virConnectDomainEventDeregisterAny(connect.as_ptr(), *number) };
    }
}

/// # Safety
/// `domain` is a domain that libvirt lends to a callback.
unsafe fn deliver(domain: sys::virDomainPtr, opaque: *mut c_void, notice: Notice) {
    let mut bytes = [0_u8; sys::VIR_UUID_BUFLEN as usize];
    // SAFETY: the buffer has the size that the call fills (VIR_UUID_BUFLEN).
    if unsafe { sys::virDomainGetUUID(domain, bytes.as_mut_ptr()) } == 0 {
        live::deliver(uuid::Uuid::from_bytes(bytes), opaque.addr(), notice);
    }
}

unsafe extern "C" fn on_lifecycle(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    opaque: *mut c_void,
) -> c_int {
    if let Some(notice) = lifecycle_notice(event as u32, detail as u32) {
        // SAFETY: libvirt lends the domain for the duration of this call.
        unsafe { deliver(domain, opaque, notice) };
    }
    0
}

/// What a lifecycle event means; most mean nothing to us.
fn lifecycle_notice(event: u32, detail: u32) -> Option<Notice> {
    const PANIC: &str = "the guest's kernel panicked";
    match (event, detail) {
        (sys::VIR_DOMAIN_EVENT_STOPPED, sys::VIR_DOMAIN_EVENT_STOPPED_CRASHED)
        | (sys::VIR_DOMAIN_EVENT_CRASHED, _) => Some(Notice::Crashed(PANIC)),
        (sys::VIR_DOMAIN_EVENT_STOPPED, sys::VIR_DOMAIN_EVENT_STOPPED_FAILED) => {
            Some(Notice::Crashed("QEMU ended unexpectedly"))
        }
        (sys::VIR_DOMAIN_EVENT_STOPPED, _) => Some(Notice::Stopped),
        // Comes with a reason through the I/O error event.
        (
            sys::VIR_DOMAIN_EVENT_SUSPENDED,
            sys::VIR_DOMAIN_EVENT_SUSPENDED_IOERROR | sys::VIR_DOMAIN_EVENT_SUSPENDED_GUEST_SHUTDOWN,
        ) => None,
        (sys::VIR_DOMAIN_EVENT_SUSPENDED, sys::VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG) => {
            Some(Notice::Paused("its watchdog fired"))
        }
        (sys::VIR_DOMAIN_EVENT_SUSPENDED, sys::VIR_DOMAIN_EVENT_SUSPENDED_PAUSED) => {
            Some(Notice::Paused("QEMU or somebody on its host stopped it"))
        }
        (sys::VIR_DOMAIN_EVENT_RESUMED, _) => Some(Notice::Resumed),
        (sys::VIR_DOMAIN_EVENT_SUSPENDED, _) => Some(Notice::Paused("libvirt stopped it")),
        _ => None,
    }
}

unsafe extern "C" fn on_reboot(_: sys::virConnectPtr, domain: sys::virDomainPtr, opaque: *mut c_void) {
    // SAFETY: libvirt lends the domain for the duration of this call.
    unsafe { deliver(domain, opaque, Notice::Reset) };
}

unsafe extern "C" fn on_io_error(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    path: *const c_char,
    _device: *const c_char,
    action: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    if action as u32 == sys::VIR_DOMAIN_EVENT_IO_ERROR_NONE {
        return;
    }
    // SAFETY: libvirt passes C strings that live for the duration of this call, or null.
    let (path, reason) = unsafe { (text(path), text(reason)) };
    let notice = Notice::IoError(io_error_text(&path, &reason));
    // SAFETY: libvirt lends the domain for the duration of this call.
    unsafe { deliver(domain, opaque, notice) };
}

fn io_error_text(path: &str, reason: &str) -> String {
    let why = match reason {
        "enospc" => "no space is left on the file system that the disk is on",
        "" => "an I/O error on the host that runs it",
        other => other,
    };
    if path.is_empty() { why.to_owned() } else { format!("`{path}`: {why}") }
}

/// # Safety
/// `pointer` is null or a C string.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, hence a C string, says the caller.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_machines_are_told_apart() {
        let stopped = |detail| lifecycle_notice(sys::VIR_DOMAIN_EVENT_STOPPED, detail);
        assert_eq!(stopped(sys::VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN), Some(Notice::Stopped));
        assert_eq!(stopped(sys::VIR_DOMAIN_EVENT_STOPPED_DESTROYED), Some(Notice::Stopped));
        assert!(matches!(stopped(sys::VIR_DOMAIN_EVENT_STOPPED_FAILED), Some(Notice::Crashed(_))));
        assert!(matches!(stopped(sys::VIR_DOMAIN_EVENT_STOPPED_CRASHED), Some(Notice::Crashed(_))));
        let guest_shutdown = sys::VIR_DOMAIN_EVENT_SUSPENDED_GUEST_SHUTDOWN;
        assert_eq!(lifecycle_notice(sys::VIR_DOMAIN_EVENT_SUSPENDED, guest_shutdown), None);
    }

    #[test]
    fn a_full_disk_is_said_in_words() {
        assert_eq!(
            io_error_text("/d.qcow2", "enospc"),
            "`/d.qcow2`: no space is left on the file system that the disk is on"
        );
        assert_eq!(io_error_text("", ""), "an I/O error on the host that runs it");
    }
}
