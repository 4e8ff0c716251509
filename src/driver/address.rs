//! Which of a guest's addresses is taken: one that stays, and that is in the right network.
use crate::cx::{Look, Sight};
use std::{collections::BTreeMap, net::IpAddr, str::FromStr, time::Duration};
use tokio::time::Instant;

/// An address that somebody told of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) address: IpAddr,
    /// Why it is not the guest's, if it is known not to be.
    pub(super) foreign: Option<&'static str>,
}

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Seen {
    networks: Vec<Network>,
    settle: Duration,
    /// All addresses that were told, each with why it is not taken, if it is not.
    told: BTreeMap<IpAddr, Option<&'static str>>,
    /// The address that is about to be taken, and since when it is the same.
    chosen: Option<(IpAddr, Instant)>,
}

impl Seen {
    /// `networks`: those that the address must be in, as `192.0.2.0/24`; any but special ones when there are none.
    pub(super) fn new(networks: &[String], settle: Duration) -> Result<Self, String> {
        let networks = networks.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Ok(Self { networks, settle, told: BTreeMap::new(), chosen: None })
    }

    /// Takes note of what is told now. Ready is an address that has stayed.
    pub(super) fn look(&mut self, told: &[Told], now: Instant) -> Look<IpAddr> {
        let told: Vec<(IpAddr, Option<&'static str>)> =
            told.iter().map(|told| (told.address, self.refusal(*told))).collect();
        self.told.extend(told.iter().copied());
        let taken: Vec<IpAddr> =
            told.iter().filter(|(_, why)| why.is_none()).map(|(address, _)| *address).collect();
        // This host may have no IPv6, and a guest with both says that one first at times.
        let first = taken.iter().find(|address| address.is_ipv4()).or(taken.first()).copied();
        let Some(first) = first else {
            self.chosen = None;
            let words: Vec<String> = told.iter().map(|(address, why)| refused(*address, *why)).collect();
            let words = if words.is_empty() { "none yet".to_owned() } else { words.join(", ") };
            return Look::NotYet(vec![Sight::no("address", words)]);
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
        Look::NotYet(vec![Sight::yes("address", address.to_string()), Sight::no("the same", settling)])
    }

    /// Why an address is not taken.
    fn refusal(&self, Told { address, foreign }: Told) -> Option<&'static str> {
        if foreign.is_some() {
            return foreign;
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

    /// All addresses that were told, in words, and what to look at; nothing if there were none.
    pub(super) fn hint(&self) -> Option<String> {
        let told: Vec<String> = self.told.iter().map(|(address, why)| refused(*address, *why)).collect();
        if told.is_empty() {
            return None;
        }
        let networks = if self.networks.is_empty() { "" } else { "; see `ip-networks`" };
        Some(format!("the guest told these addresses: {}{networks}", told.join(", ")))
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
pub(super) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    pub(super) fn holds(self, address: IpAddr) -> bool {
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

    fn told(all: &[&str]) -> Vec<Told> {
        all.iter().map(|ip| Told { address: ip.parse().unwrap(), foreign: None }).collect()
    }

    fn seen(networks: &[&str]) -> Seen {
        let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
        Seen::new(&networks, Duration::from_secs(5)).unwrap()
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
        assert_eq!(ready(seen.look(&told(&["169.254.1.1", "fe80::1"]), at(0))), None);
        let bridge = Told { address: "172.17.0.1".parse().unwrap(), foreign: Some("a bridge") };
        let both = [bridge, told(&["127.0.0.1"])[0]];
        assert_eq!(ready(seen.look(&both, at(1))), None);
        assert_eq!(ready(seen.look(&told(&["2001:db8::1"]), at(2))), None);
        // IPv4 is preferred, and begins anew; so does an address that changes.
        assert_eq!(ready(seen.look(&told(&["2001:db8::1", "10.0.0.1"]), at(4))), None);
        assert_eq!(ready(seen.look(&told(&["10.0.0.2"]), at(8))), None);
        let more = told(&["10.0.0.1", "10.0.0.2"]);
        assert_eq!(ready(seen.look(&more, at(12))), None);
        assert_eq!(ready(seen.look(&more, at(13))), Some("10.0.0.2".to_owned()));
        let hint = seen.hint().unwrap();
        assert!(hint.contains("169.254.1.1 (link-local)"), "{hint}");
        assert!(hint.contains("172.17.0.1 (a bridge)"), "{hint}");
    }

    #[test]
    fn only_what_is_in_the_networks_is_taken() {
        let refusals = |networks: &[&str], ip: &str| seen(networks).refusal(told(&[ip])[0]);
        assert_eq!(refusals(&["10.0.0.0/8"], "10.1.0.1"), None);
        assert_eq!(refusals(&["10.0.0.0/8"], "192.0.2.1"), Some("not in `ip-networks`"));
        assert_eq!(refusals(&["0.0.0.0/0"], "127.0.0.1"), Some("loopback"));
        assert_eq!(refusals(&["127.0.0.0/8"], "127.0.0.1"), None);
        assert_eq!(refusals(&["0.0.0.0/0", "127.0.0.1"], "127.0.0.1"), None);
        assert_eq!(refusals(&["169.254.0.0/16"], "169.254.0.1"), None);
        assert!(ready(seen(&[]).look(&[], Instant::now())).is_none());
        assert_eq!(seen(&[]).hint(), None);
    }
}
