//! The user-mode network of QEMU: what its monitor prints about forwarded ports.
use super::machine::LibvirtMachine;
use crate::driver::{DriverError, DriverErrorKind, GuestAddresses, Machine as _};
use std::net::Ipv4Addr;

/// The SSH port as the guest sees it.
pub(super) const GUEST_PORT: u16 = 22;

/// The monitor command that makes the kernel choose a free loopback port and forwards it to the guest's SSH.
pub(super) fn forward_command(netdev: &str) -> String {
    format!("hostfwd_add {netdev} tcp:127.0.0.1:0-:{GUEST_PORT}")
}

/// The host's port that `info usernet` shows as forwarded from loopback to `guest_port`.
///
/// ```text
/// Hub -1 (hostnet0):
///   Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
///   TCP[HOST_FORWARD]  17       127.0.0.1 40581       10.0.2.15    22     0     0
/// ```
pub(super) fn forwarded_port(info: &str, guest_port: u16) -> Option<u16> {
    info.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        if words.next()? != "TCP[HOST_FORWARD]" {
            return None;
        }
        let _descriptor = words.next()?;
        let (address, port) = (words.next()?, words.next()?);
        let (_guest_address, to) = (words.next()?, words.next()?);
        (address == "127.0.0.1" && to.parse() == Ok(guest_port)).then(|| port.parse().ok()).flatten()
    })
}

/// Monitor commands that lead the forwarded `port` of this host to another address of the guest.
pub(super) fn redirect_commands(netdev: &str, port: u16, guest: Ipv4Addr) -> [String; 2] {
    [
        format!("hostfwd_remove {netdev} tcp:127.0.0.1:{port}"),
        format!("hostfwd_add {netdev} tcp:127.0.0.1:{port}-{guest}:{GUEST_PORT}"),
    ]
}

/// Where the forwarded port leads to, and which other addresses the guest speaks from, by what `info usernet` shows. Most guests
/// say something by themselves: a question for a name, or that they have one.
///
/// ```text
///   UDP[233 sec]       21       10.0.2.77  5355     224.0.0.252  5355     0     0
/// ```
pub(super) fn guest_addresses(info: &str) -> Option<GuestAddresses> {
    let (mut leads_to, mut spoke) = (None, Vec::new());
    for line in info.lines() {
        let mut words = line.split_whitespace().skip_while(|word| !word.ends_with(']'));
        let (Some(protocol), Some(_descriptor)) = (words.next(), words.next()) else { continue };
        let (source, _port) = (words.next(), words.next());
        if protocol == "TCP[HOST_FORWARD]" {
            leads_to = leads_to.or_else(|| words.next()?.parse().ok());
        } else if let Some(Ok(source)) = source.map(str::parse::<Ipv4Addr>)
            && !source.is_loopback()
            && !source.is_unspecified()
            && !spoke.contains(&source)
        {
            spoke.push(source);
        }
    }
    let leads_to: Ipv4Addr = leads_to?;
    let answers = spoke.contains(&leads_to);
    let others = spoke.into_iter().filter(|address| *address != leads_to).collect();
    Some(GuestAddresses { leads_to, answers, others })
}

/// Where the forwarded port must lead instead: when the guest speaks, but not from where it leads to, and from one address only of
/// the same network (255.255.255.0). Others cannot be reached from here.
pub(super) fn moved_to(addresses: &GuestAddresses) -> Option<Ipv4Addr> {
    let network = |address: &Ipv4Addr| address.octets()[..3].to_vec();
    let mut near =
        addresses.others.iter().filter(|address| network(address) == network(&addresses.leads_to)).copied();
    match (addresses.answers, near.next(), near.next()) {
        (false, Some(only), None) => Some(only),
        _ => None,
    }
}

/// The id of the user-mode network in `info usernet`. libvirt chooses it; `hostnet0` for a first interface.
pub(super) fn netdev_id(info: &str) -> Option<&str> {
    let line = info.lines().map(str::trim).find(|line| line.starts_with("Hub "))?;
    let (_, rest) = line.split_once('(')?;
    let (id, _) = rest.split_once(')')?;
    (!id.is_empty()).then_some(id)
}

impl LibvirtMachine {
    /// Leads the forwarded port to where the guest is, when it is elsewhere than expected.
    pub(super) async fn follow(&self) -> Result<Option<Ipv4Addr>, DriverError> {
        // A machine that does not answer is its own trouble, which others tell.
        let Ok(info) = self.monitor("info usernet".to_owned()).await else { return Ok(None) };
        let moved = guest_addresses(&info).as_ref().and_then(moved_to);
        let port = forwarded_port(&info, GUEST_PORT);
        let (Some(guest), Some(port), Some(netdev)) = (moved, port, netdev_id(&info)) else {
            return Ok(None);
        };
        let mut said = String::new();
        for command in redirect_commands(netdev, port, guest) {
            said.push_str(self.monitor(command).await?.trim());
        }
        if self.guest_addresses().await.is_some_and(|addresses| addresses.leads_to == guest) {
            return Ok(Some(guest));
        }
        let attempt = format!("lead the forwarded port to the guest's address {guest}");
        Err(DriverError::new(DriverErrorKind::Other, attempt).because(format!("QEMU answered `{said}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use test_case::test_case;

    const HEADER: &str = "Hub -1 (hostnet0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n";

    #[test_case("  TCP[HOST_FORWARD]  17       127.0.0.1 40581       10.0.2.15    22     0     0\r\n", Some(40581); "a forward to ssh")]
    #[test_case("", None; "no forward yet")]
    #[test_case("  TCP[ESTABLISHED]   18       127.0.0.1 40581       10.0.2.15    22     0     0\r\n", None; "a connection is no forward")]
    #[test_case("  TCP[HOST_FORWARD]  17       127.0.0.1 40581       10.0.2.15    80     0     0\r\n", None; "a forward to another port")]
    #[test_case("  TCP[HOST_FORWARD]  17         0.0.0.0 40581       10.0.2.15    22     0     0\r\n", None; "open to the world")]
    #[test_case("  UDP[236 sec]       19       10.0.2.15 40712        10.0.2.3    53     0     0\r\n  TCP[HOST_FORWARD]  17       127.0.0.1  2222       10.0.2.15    22     0     0\r\n", Some(2222); "other traffic above it")]
    fn the_forwarded_port_is_found(lines: &str, port: Option<u16>) {
        assert_eq!(forwarded_port(&format!("{HEADER}{lines}"), 22), port);
    }

    #[test]
    fn a_line_that_is_cut_off_is_no_port() {
        let line = "  TCP[HOST_FORWARD]  17       127.0.0.1 40581       10.0.2.15    22     0     0";
        for cut in 0..line.find("22").unwrap() {
            assert_eq!(forwarded_port(&line[..cut], 22), None);
        }
    }

    #[test]
    fn a_guest_that_speaks_from_another_address_is_noticed() {
        let forward = "  TCP[HOST_FORWARD]  17       127.0.0.1 40581       10.0.2.15    22     0     0\r\n";
        let ours = "  UDP[236 sec]       19       10.0.2.15 40712        10.0.2.3    53     0     0\r\n";
        let other = "  UDP[236 sec]       19       10.0.2.77 40712        10.0.2.3    53     0     0\r\n\
                       TCP[SYN_SENT]      20       10.0.2.77 40713   151.101.2.132    80     0     0\r\n";
        let addresses = |lines: &str| guest_addresses(&format!("{HEADER}{lines}"));
        let home = Ipv4Addr::new(10, 0, 2, 15);
        let none = GuestAddresses { leads_to: home, answers: false, others: Vec::new() };
        assert_eq!(addresses(ours), None);
        assert_eq!(addresses(forward), Some(none.clone()));
        let at_home = GuestAddresses { answers: true, ..none.clone() };
        assert_eq!(addresses(&format!("{forward}{ours}")), Some(at_home.clone()));
        let away = GuestAddresses { others: vec![Ipv4Addr::new(10, 0, 2, 77)], ..none.clone() };
        assert_eq!(addresses(&format!("{forward}{other}")), Some(away.clone()));
        assert_eq!(moved_to(&away), Some(Ipv4Addr::new(10, 0, 2, 77)));
        // It has both, or speaks from elsewhere, or from two places.
        let with = |others: &[[u8; 4]]| others.iter().map(|octets| Ipv4Addr::from(*octets)).collect();
        for stays in [
            at_home,
            GuestAddresses { answers: true, ..away },
            GuestAddresses { others: with(&[[192, 168, 1, 9]]), ..none.clone() },
            GuestAddresses { others: with(&[[10, 0, 2, 77], [10, 0, 2, 78]]), ..none },
        ] {
            assert_eq!(moved_to(&stays), None, "{stays:?}");
        }
        let commands = redirect_commands("hostnet0", 40581, Ipv4Addr::new(10, 0, 2, 77));
        assert_eq!(commands[1], "hostfwd_add hostnet0 tcp:127.0.0.1:40581-10.0.2.77:22");
    }

    proptest! {
        #[test]
        fn whatever_the_monitor_prints_is_read(info in ".{0,300}", lines in "(  [A-Z]{3}\\[[A-Z_ ]{0,9}\\]( {1,3}[0-9.]{0,9}){0,9}\n){0,4}") {
            for text in [&info, &lines] {
                let _ = (guest_addresses(text), forwarded_port(text, 22), netdev_id(text));
            }
        }
    }

    #[test]
    fn the_network_is_named_in_the_first_line() {
        assert_eq!(netdev_id(HEADER), Some("hostnet0"));
        assert_eq!(netdev_id("unknown command: 'info usernet'"), None);
    }
}
