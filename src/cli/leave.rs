//! The end of the process.
#![allow(
    unsafe_code,
    reason = "the standard library ends a process only with the destructors of C libraries"
)]
use std::io::Write;

/// Ends the process with `code`.
///
/// At once: libvirt's threads may still be busy with a machine that was just removed, and the destructors that exit(3) would
/// run in C libraries free what those threads use. An interrupted build was seen to end with `double free or corruption`
/// after all of its work was done.
pub(super) fn leave(code: u8) -> ! {
    // Nobody is left to whom a failure could be told.
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().flush();
    // SAFETY: it takes a number and does not return.
    unsafe { nix::libc::_exit(i32::from(code)) }
}
