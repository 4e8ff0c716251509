//! Which proxy Red Hat's subscription manager gets: that of HTTP, unless its server is reached without.
use super::{Config, Os};
use crate::compat::CompatError;

/// Host and port for the subscription manager, if a proxy is in its way.
pub(super) fn of_subscriptions(os: Os, config: &Config) -> Result<Option<&(String, String)>, CompatError> {
    if os != Os::RedHat || !config.says("http_proxy") {
        return Ok(None);
    }
    let server = config.get("rhsm_server_hostname");
    // Literally: what `no_proxy` says about whole domains does not count there, and so not here.
    if !server.is_empty() && config.get("no_proxy").split(',').any(|host| host == server) {
        return Ok(None);
    }
    config.proxy().map(Some).ok_or_else(|| {
        CompatError::new("Error parsing proxy host and port for RHSM: `http_proxy` has no host or no port")
            .hint(format!("write `http://HOST:PORT` in {}", config.called()))
    })
}

/// A port must be written: that of the scheme is none for the subscription manager.
pub(super) fn host_and_port(address: &str) -> Option<(String, String)> {
    let (_, rest) = address.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let (host, port) = place.rsplit_once(':')?;
    let host = host.strip_prefix('[').map_or(Some(host), |host| host.strip_suffix(']'))?;
    let good = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
    good.then(|| (host.to_owned(), port.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("http://proxy.example.com:3128", Some(("proxy.example.com", "3128")); "usual")]
    #[test_case("http://proxy.example.com:80/", Some(("proxy.example.com", "80")); "the port of the scheme, written")]
    #[test_case("http://me:pass:word@proxy:3128", Some(("proxy", "3128")); "with a login")]
    #[test_case("http://[2001:db8::1]:3128", Some(("2001:db8::1", "3128")); "version 6")]
    #[test_case("http://proxy.example.com", None; "no port")]
    #[test_case("http://[2001:db8::1]", None; "version 6 without a port")]
    #[test_case("proxy.example.com:3128", None; "no scheme")]
    #[test_case("http://:3128", None; "no host")]
    #[test_case("http://proxy:0", None; "port zero")]
    fn host_and_port_are_those_that_are_written(address: &str, expected: Option<(&str, &str)>) {
        let expected = expected.map(|(host, port)| (host.to_owned(), port.to_owned()));
        assert_eq!(host_and_port(address), expected);
    }
}
