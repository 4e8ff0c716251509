//! The way to a machine's guest: an address that VMware's tools tell.
use super::machine::Built;
use crate::{
    cx::{Cx, Look, Sight},
    driver::{
        DriverError, DriverErrorKind,
        address::{Seen, Told},
    },
    vsphere::{
        VsphereError, VsphereErrorKind,
        machine::{GuestInfo, PowerState},
    },
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::Instant;

/// Waits for the address of the machine's guest, and says meanwhile what it sees.
pub(super) async fn settled(built: &Built, cx: &Cx) -> Result<SocketAddr, DriverError> {
    let (plan, pace, machine) = (&built.driver.plan, built.driver.pace, &built.machine);
    let seen = Seen::new(&plan.ip_networks, plan.ip_settle.get())
        .map_err(|why| DriverError::new(DriverErrorKind::Other, "read `ip-networks`").because(why))?;
    let looked = Mutex::new(Looked { seen, tools: false });
    let what = format!("an address of the guest of `{}`", machine.path());
    let waits = cx.wait_for(&what, pace.address, pace.every, || async {
        let ask = async { Ok((machine.power().await?, machine.guest().await?)) };
        match ask.await {
            Ok(((PowerState::On, None), guest)) => locked(&looked).look(&guest, Instant::now()),
            Ok(((PowerState::On, Some(question)), _)) => {
                Look::NotYet(vec![Sight::no("machine", question.to_string())])
            }
            Ok(((PowerState::Off, _), _)) => Look::Hopeless("the machine went off".into()),
            Ok(((PowerState::Suspended, _), _)) => Look::Hopeless("the machine was suspended".into()),
            Err(error) if VsphereErrorKind::Unavailable == crate::vsphere::VsphereError::kind(&error) => {
                Look::NotYet(vec![Sight::unknown("vcenter", crate::cx::causes(&error).join(": "))])
            }
            Err(error) => Look::Hopeless(Box::new(error)),
        }
    });
    match waits.await {
        Ok(address) => Ok(SocketAddr::new(address, plan.ssh_port)),
        Err(error) => {
            let failed = DriverError::waited::<VsphereError>(error);
            Err(match failed.kind() {
                DriverErrorKind::Timeout => failed.hint(locked(&looked).hint()),
                _ => failed,
            })
        }
    }
}

fn locked(looked: &Mutex<Looked>) -> MutexGuard<'_, Looked> {
    looked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was seen so far.
#[derive(Debug)]
struct Looked {
    seen: Seen,
    /// Whether the tools ever ran.
    tools: bool,
}

impl Looked {
    fn look(&mut self, guest: &GuestInfo, now: Instant) -> Look<IpAddr> {
        self.tools |= guest.tools_running;
        let told: Vec<Told> = guest
            .addresses()
            .into_iter()
            .map(|address| Told { address, foreign: foreign(guest, address) })
            .collect();
        let tools = if guest.tools_running {
            Sight::yes("tools", "running")
        } else {
            Sight::no("tools", "not running")
        };
        match self.seen.look(&told, now) {
            Look::NotYet(sights) => Look::NotYet(std::iter::once(tools).chain(sights).collect()),
            other => other,
        }
    }

    fn hint(&self) -> String {
        self.seen.hint().unwrap_or_else(|| {
            if self.tools {
                "VMware's tools run, but the guest has no address: is its network card connected to a network with DHCP, \
                 and does it use that?"
            } else {
                "VMware's tools never ran: is `open-vm-tools` in the image, and does it start? \
                 `screenshot.png` shows how far the guest came"
            }
            .to_owned()
        })
    }
}

/// Bridges and tunnels that the guest made for itself have the number -1.
fn foreign(guest: &GuestInfo, address: IpAddr) -> Option<&'static str> {
    let of_nics =
        || guest.nics.iter().filter(|nic| nic.addresses.iter().any(|known| known.ip == address)).peekable();
    let none = of_nics().peek().is_some() && of_nics().all(|nic| nic.device.is_some_and(|key| key < 0));
    none.then_some("of none of the machine's cards")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vsphere::machine::{GuestAddress, GuestNic};

    #[test]
    fn what_the_guest_made_for_itself_is_foreign() {
        let nic = |ip: &str, device: i32| GuestNic {
            network: None,
            mac: None,
            device: Some(device),
            connected: true,
            addresses: vec![GuestAddress { ip: ip.parse().unwrap(), prefix: None }],
        };
        let nics = vec![nic("172.17.0.1", -1), nic("10.0.0.1", 4000)];
        let guest = GuestInfo { tools_running: true, nics, ..GuestInfo::default() };
        let of = |ip: &str| foreign(&guest, ip.parse().unwrap());
        assert_eq!(of("172.17.0.1"), Some("of none of the machine's cards"));
        assert_eq!((of("10.0.0.1"), of("192.0.2.1")), (None, None));
    }
}
