//! Which libvirt a URI means.
use super::remote::Host;
use crate::driver::{DriverError, DriverErrorKind};

/// The kinds of connection that differ for this driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The driver inside this process.
    Embed,
    /// The user's own daemon on this host.
    Session,
    /// The daemon of this host.
    System,
    /// Another host.
    Remote,
}

impl Place {
    /// Reads a connection URI of QEMU's driver.
    pub(super) fn parse(uri: &str) -> Result<Self, DriverError> {
        let wrong = |why: String| {
            DriverError::new(DriverErrorKind::Unsupported, format!("use the libvirt connection `{uri}`"))
                .because(why)
                .hint("the usual ones are `qemu:///embed` (no daemon, no privileges), `qemu:///session` and `qemu:///system`")
        };
        let parsed = url::Url::parse(uri).map_err(|error| wrong(error.to_string()))?;
        let has_query = parsed.query().is_some();
        let (driver, transport) = parsed.scheme().split_once('+').unwrap_or((parsed.scheme(), ""));
        if driver != "qemu" {
            return Err(wrong(format!("its driver is `{driver}`, only `qemu` is supported")));
        }
        if parsed.host_str().is_some_and(|host| !host.is_empty()) {
            return Host::parse(uri).map(|_| Self::Remote);
        }
        match (parsed.path(), transport) {
            ("/embed", "") if !has_query => Ok(Self::Embed),
            ("/embed", "") => Err(wrong("goldsmith chooses the root itself".to_owned())),
            (_, "" | "unix") if has_query => Err(wrong("parameters are not supported".to_owned())),
            ("/session", "" | "unix") => Ok(Self::Session),
            ("/system", "" | "unix") => Ok(Self::System),
            (_, "" | "unix") => Err(wrong(format!("it has no instance `{}`", parsed.path()))),
            _ => Err(wrong(format!("the transport `{transport}` needs a host"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("qemu:///embed", Place::Embed)]
    #[test_case("qemu:///session", Place::Session)]
    #[test_case("qemu+unix:///system", Place::System)]
    #[test_case("qemu+ssh://root@build.example.org/system", Place::Remote)]
    fn the_connection_is(uri: &str, place: Place) {
        assert_eq!(Place::parse(uri).unwrap(), place);
    }

    #[test_case("xen:///system", "only `qemu`"; "another hypervisor")]
    #[test_case("qemu:///embed?root=/tmp/x", "chooses the root itself"; "a root of the user")]
    #[test_case("qemu:///nowhere", "no instance"; "an unknown instance")]
    #[test_case("qemu:///system?socket=/x", "parameters"; "another socket")]
    #[test_case("embed", "relative URL"; "no URI")]
    fn a_wrong_uri_is_refused_with_the_reason(uri: &str, reason: &str) {
        let error = Place::parse(uri).unwrap_err();
        assert_eq!(error.kind(), DriverErrorKind::Unsupported);
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains(reason), "{why}");
    }
}
