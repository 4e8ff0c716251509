//! The way to a machine's guest: an address that AHV assigned to it, or saw it use.
use super::machine::Built;
use crate::{
    cx::{Cx, Look, Sight, causes},
    driver::{
        DriverError, DriverErrorKind,
        address::{Seen, Told},
    },
    nutanix::{Power, PrismError, PrismErrorKind},
};
use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::Instant;

/// Waits for the address of the machine's guest, and says meanwhile what it sees.
pub(super) async fn settled(built: &Built, cx: &Cx) -> Result<SocketAddr, DriverError> {
    let (plan, pace) = (&built.driver.job.machine, built.driver.pace);
    let seen = Seen::new(&plan.ip_networks, plan.ip_settle.get())
        .map_err(|why| DriverError::new(DriverErrorKind::Other, "read `ip-networks`").because(why))?;
    let seen = Mutex::new(seen);
    let what = format!("an address of the guest of `{}`", built.name);
    let waits = cx.wait_for(&what, pace.address, pace.every, || async {
        match built.driver.prism.vm(&built.uuid).await {
            Ok(vm) => match vm.power {
                Power::On => {
                    let told: Vec<Told> = vm
                        .addresses
                        .iter()
                        .map(|address| Told { address: *address, foreign: None })
                        .collect();
                    locked(&seen).look(&told, Instant::now())
                }
                Power::Off => Look::Hopeless("the machine went off".into()),
                Power::Paused => Look::Hopeless("the machine was paused".into()),
                Power::Unknown => Look::NotYet(vec![Sight::unknown("power", "not known")]),
            },
            Err(error) if error.kind() == PrismErrorKind::Unavailable => {
                Look::NotYet(vec![Sight::unknown("prism", causes(&error).join(": "))])
            }
            Err(error) => Look::Hopeless(Box::new(error)),
        }
    });
    match waits.await {
        Ok(address) => Ok(SocketAddr::new(address, plan.ssh_port)),
        Err(error) => {
            let failed = DriverError::waited::<PrismError>(error);
            Err(match failed.kind() {
                DriverErrorKind::Timeout => failed.hint(hint(&locked(&seen))),
                _ => failed,
            })
        }
    }
}

fn hint(seen: &Seen) -> String {
    seen.hint().unwrap_or_else(|| {
        "AHV assigned no address to the machine and saw none: has its subnet IP management or a DHCP server, does the guest start \
         (Prism's console shows it), and does its network card get an address by DHCP?"
            .to_owned()
    })
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
