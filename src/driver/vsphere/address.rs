//! The way to a machine's guest: an address that VMware's tools tell, that stays, and that is in the right network.
use super::machine::{Built, waited};
use crate::{
    cx::{Cx, Look, Sight},
    driver::{DriverError, DriverErrorKind},
    vsphere::{
        VsphereErrorKind,
        machine::{GuestInfo, PowerState},
    },
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Waits for the address of the machine's guest, and says meanwhile what it sees.
pub(super) async fn settled(built: &Built, cx: &Cx) -> Result<SocketAddr, DriverError> {
    let (plan, pace, machine) = (&built.driver.plan, built.driver.pace, &built.machine);
    let networks = plan.ip_networks.iter().map(|text| text.parse()).collect::<Result<Vec<Network>, _>>();
    let networks = networks
        .map_err(|why: String| DriverError::new(DriverErrorKind::Other, "read `ip-networks`").because(why))?;
    let seen = Mutex::new(Seen::new(networks, plan.ip_settle.get()));
    let what = format!("an address of the guest of `{}`", machine.path());
    let waits = cx.wait_for(&what, pace.address, pace.every, || async {
        let looked = async { Ok((machine.power().await?, machine.guest().await?)) };
        match looked.await {
            Ok(((PowerState::On, None), guest)) => locked(&seen).look(&guest, Instant::now()),
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
            let failed = waited(error);
            Err(match failed.kind() {
                DriverErrorKind::Timeout => failed.hint(locked(&seen).hint()),
                _ => failed,
            })
        }
    }
}

fn locked(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was seen so far.
#[derive(Debug)]
struct Seen {
    networks: Vec<Network>,
    settle: Duration,
    /// Whether the tools ever ran.
    tools: bool,
    /// All addresses that were told, each with why it is not taken, if it is not.
    told: BTreeMap<IpAddr, Option<&'static str>>,
    /// The address that is about to be taken, and since when it is the same.
    chosen: Option<(IpAddr, Instant)>,
}

impl Seen {
    fn new(networks: Vec<Network>, settle: Duration) -> Self {
        Self { networks, settle, tools: false, told: BTreeMap::new(), chosen: None }
    }

    fn look(&mut self, guest: &GuestInfo, now: Instant) -> Look<IpAddr> {
        self.tools |= guest.tools_running;
        let told: Vec<(IpAddr, Option<&'static str>)> =
            guest.addresses().into_iter().map(|address| (address, self.refusal(guest, address))).collect();
        self.told.extend(told.iter().copied());
        let taken: Vec<IpAddr> =
            told.iter().filter(|(_, why)| why.is_none()).map(|(address, _)| *address).collect();
        // This host may have no IPv6, and a guest with both says that one first at times.
        let first = taken.iter().find(|address| address.is_ipv4()).or(taken.first()).copied();
        let tools = if guest.tools_running {
            Sight::yes("tools", "running")
        } else {
            Sight::no("tools", "not running")
        };
        let Some(first) = first else {
            self.chosen = None;
            let words: Vec<String> = told.iter().map(|(address, why)| refused(*address, *why)).collect();
            let words = if words.is_empty() { "none yet".to_owned() } else { words.join(", ") };
            return Look::NotYet(vec![tools, Sight::no("address", words)]);
        };
        let since = match self.chosen {
            // Of several it stays the one that it was.
            Some((address, since)) if taken.contains(&address) && address.is_ipv4() == first.is_ipv4() => {
                self.chosen = Some((address, since));
                since
            }
            _ => {
                self.chosen = Some((first, now));
                now
            }
        };
        let address = self.chosen.map_or(first, |(address, _)| address);
        let same = now.saturating_duration_since(since);
        if same >= self.settle {
            return Look::Ready(address);
        }
        let settling = format!("for {} s of {} s", same.as_secs(), self.settle.as_secs_f32());
        Look::NotYet(vec![tools, Sight::yes("address", address.to_string()), Sight::no("the same", settling)])
    }

    /// Why an address is not taken.
    fn refusal(&self, guest: &GuestInfo, address: IpAddr) -> Option<&'static str> {
        let of_nics = || {
            guest.nics.iter().filter(|nic| nic.addresses.iter().any(|known| known.ip == address)).peekable()
        };
        // Bridges and tunnels that the guest made for itself have the number -1.
        if of_nics().peek().is_some() && of_nics().all(|nic| nic.device.is_some_and(|key| key < 0)) {
            return Some("of none of the machine's cards");
        }
        let held = self.networks.iter().filter(|network| network.holds(address));
        let (any, named) = held.fold((false, false), |(_, named), network| {
            (true, named || is_loopback(network.address) || is_link_local(network.address))
        });
        match address {
            _ if address.is_unspecified() || address.is_multicast() => Some("not an address of one machine"),
            _ if is_loopback(address) && !named => Some("loopback"),
            _ if is_link_local(address) && !named => Some("link-local"),
            _ if !self.networks.is_empty() && !any => Some("not in `ip-networks`"),
            _ => None,
        }
    }

    fn hint(&self) -> String {
        let told: Vec<String> = self.told.iter().map(|(address, why)| refused(*address, *why)).collect();
        match (self.tools, told.is_empty()) {
            (false, true) => "VMware's tools never ran: is `open-vm-tools` in the image, and does it start? \
                              `screenshot.png` shows how far the guest came"
                .to_owned(),
            (true, true) => "VMware's tools run, but the guest has no address: is its network card connected to a network with DHCP, \
                             and does it use that?"
                .to_owned(),
            (_, false) => {
                let networks = if self.networks.is_empty() { "" } else { "; see `ip-networks`" };
                format!("the guest told these addresses: {}{networks}", told.join(", "))
            }
        }
    }
}

fn refused(address: IpAddr, why: Option<&str>) -> String {
    match why {
        Some(why) => format!("{address} ({why})"),
        None => address.to_string(),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// A network: `192.0.2.0/24`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        let apart = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        apart >= self.bits
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no network, such as `192.0.2.0/24`");
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.trim().parse().map_err(|_| wrong()))?;
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vsphere::machine::{GuestAddress, GuestNic};

    fn guest(told: &[(&str, i32)]) -> GuestInfo {
        let nic = |(ip, device): &(&str, i32)| GuestNic {
            network: None,
            mac: None,
            device: Some(*device),
            connected: true,
            addresses: vec![GuestAddress { ip: ip.parse().unwrap(), prefix: None }],
        };
        GuestInfo { tools_running: true, nics: told.iter().map(nic).collect(), ..GuestInfo::default() }
    }

    fn seen(networks: &[&str]) -> Seen {
        Seen::new(networks.iter().map(|text| text.parse().unwrap()).collect(), Duration::from_secs(5))
    }

    fn ready(look: Look<IpAddr>) -> Option<String> {
        match look {
            Look::Ready(address) => Some(address.to_string()),
            _ => None,
        }
    }

    #[test]
    fn networks_hold_addresses() {
        let holds = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().holds(address.parse().unwrap())
        };
        for (network, address, expected) in [
            ("192.0.2.0/24", "192.0.2.255", true),
            ("192.0.2.0/24", "192.0.3.0", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "10.0.0.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("::/0", "fd00::1", true),
        ] {
            assert_eq!(holds(network, address), expected, "{network} {address}");
        }
        for wrong in ["", "a", "10.0.0.0/33", "10.0.0.0/", "::/129"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_is_taken_once_it_has_stayed() {
        let (mut seen, start) = (seen(&[]), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let card = 4000;
        assert_eq!(ready(seen.look(&guest(&[("169.254.1.1", card), ("fe80::1", card)]), at(0))), None);
        assert_eq!(ready(seen.look(&guest(&[("172.17.0.1", -1), ("127.0.0.1", card)]), at(1))), None);
        assert_eq!(ready(seen.look(&guest(&[("2001:db8::1", card)]), at(2))), None);
        // IPv4 is preferred, and begins anew; so does an address that changes.
        let both = guest(&[("2001:db8::1", card), ("10.0.0.1", card)]);
        assert_eq!(ready(seen.look(&both, at(4))), None);
        assert_eq!(ready(seen.look(&guest(&[("10.0.0.2", card)]), at(8))), None);
        let more = guest(&[("10.0.0.1", card), ("10.0.0.2", card)]);
        assert_eq!(ready(seen.look(&more, at(12))), None);
        assert_eq!(ready(seen.look(&more, at(13))), Some("10.0.0.2".to_owned()));
        let hint = seen.hint();
        assert!(hint.contains("169.254.1.1 (link-local)"), "{hint}");
        assert!(hint.contains("172.17.0.1 (of none of the machine's cards)"), "{hint}");
    }

    #[test]
    fn only_what_is_in_the_networks_is_taken() {
        let at = Instant::now();
        let refusals =
            |networks: &[&str], ip: &str| seen(networks).refusal(&guest(&[(ip, 4000)]), ip.parse().unwrap());
        assert_eq!(refusals(&["10.0.0.0/8"], "10.1.0.1"), None);
        assert_eq!(refusals(&["10.0.0.0/8"], "192.0.2.1"), Some("not in `ip-networks`"));
        assert_eq!(refusals(&["0.0.0.0/0"], "127.0.0.1"), Some("loopback"));
        assert_eq!(refusals(&["127.0.0.0/8"], "127.0.0.1"), None);
        assert_eq!(refusals(&["0.0.0.0/0", "127.0.0.1"], "127.0.0.1"), None);
        assert_eq!(refusals(&["169.254.0.0/16"], "169.254.0.1"), None);
        assert!(ready(seen(&[]).look(&GuestInfo::default(), at)).is_none());
    }
}
