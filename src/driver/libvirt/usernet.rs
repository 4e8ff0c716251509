//! The user-mode network of QEMU: what its monitor prints about forwarded ports.

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

/// The id of the user-mode network in `info usernet`. libvirt chooses it; `hostnet0` for a first interface.
pub(super) fn netdev_id(info: &str) -> Option<&str> {
    let line = info.lines().map(str::trim).find(|line| line.starts_with("Hub "))?;
    let (_, rest) = line.split_once('(')?;
    let (id, _) = rest.split_once(')')?;
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn the_network_is_named_in_the_first_line() {
        assert_eq!(netdev_id(HEADER), Some("hostnet0"));
        assert_eq!(netdev_id("unknown command: 'info usernet'"), None);
    }
}
