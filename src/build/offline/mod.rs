//! Builds without a network: what is collected is all that there is.
//!
//! ```text
//!   missing     before anything is made: which inputs are neither collected nor at an allowed host
//!   proxy       answers the bootstrap's apt and the guest's package managers from what is collected
//!   authority   lets the proxy stand in for HTTPS servers
//!   guest       what the guest is told about the proxy, until the seal
//! ```
//!
//! What this process itself reads goes through [`crate::fetch::Gate`].
mod authority;
mod guest;
mod missing;
mod proxy;
#[cfg(test)]
mod tests;

pub use missing::lacking;
pub(super) use missing::missing;
pub(super) use proxy::Proxy;

use super::{BuildError, BuildErrorKind};
use crate::{
    cx::Cx,
    fetch::{COLLECT, Gate},
    guest::{Command, Guest, capture},
};
use std::{io, time::Duration};

/// So many addresses are told; the rest is counted.
const SHOWN: usize = 20;
/// What tells the guest takes no longer.
const LIMIT: Duration = Duration::from_secs(120);

/// That the proxy could not be started.
pub(super) fn no_proxy(error: io::Error) -> BuildError {
    BuildError::because("could not start the proxy of the offline build on this host's loopback", error)
        .kind_unless_interrupted(BuildErrorKind::Preflight)
}

/// Leads the package managers of `guest` to the proxy, if builds are offline.
pub(super) async fn lead(cx: &Cx, guest: &Guest, gate: &Gate) -> Result<(), BuildError> {
    const LABEL: &str = "tell the guest its proxy";
    let Some(detour) = gate.detour() else { return Ok(()) };
    let failed = |error| BuildError::because("the guest could not be led to what is collected", error);
    let port = guest.lead(detour.proxy).await.map_err(|error| {
        failed(error).hint(
            "the guest's sshd must allow TCP forwarding while the image is built (`AllowTcpForwarding`)",
        )
    })?;
    let command = Command::script(LABEL, guest::script(port, &detour.ca)).timeout(LIMIT);
    let told = capture(guest, cx, &command).await.and_then(|captured| captured.ok(LABEL));
    told.map_err(failed)?;
    cx.events()
        .notice(format!("the guest's package managers ask this host, through port {port} of its loopback"));
    Ok(())
}

/// Says what was asked for in vain since the last time.
pub(super) fn tell_refused(cx: &Cx, gate: &Gate) {
    let refused = gate.take_refused();
    if refused.is_empty() {
        return;
    }
    let what = if refused.len() == 1 {
        "an address was".to_owned()
    } else {
        format!("{} addresses were", refused.len())
    };
    cx.events().warn(
        format!("{what} asked for that no bundle has: {}", shortened(&refused)),
        Some(COLLECT.to_owned()),
    );
}

/// A list for people.
fn shortened(all: &[String]) -> String {
    let shown: Vec<String> = all.iter().take(SHOWN).map(|one| format!("`{one}`")).collect();
    let more = all.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
