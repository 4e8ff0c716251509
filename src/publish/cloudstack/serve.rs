//! A file that the cloud fetches from this host, for as long as that takes.
use super::{
    Image,
    job::{Job, Ready},
    make::{Made, plain},
};
use crate::{
    cloudstack::{CloudStack, CloudStackError, CloudStackErrorKind, digest_of},
    cx::Cx,
    wire::Served,
};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    time::Duration,
};

/// Ports that CloudStack fetches from (`UriUtils.validateUrl`).
const PORTS: [u16; 3] = [80, 8080, 443];
/// When nobody has come after so long, that is said.
const LONELY: Duration = Duration::from_mins(2);

/// Where a file is served: an address of this host that the cloud's storage VM reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct At {
    /// The one from which this host goes to the cloud, if none is said.
    pub host: Option<IpAddr>,
    /// 8080, if none is said; 0 for any that is free, which no real cloud fetches from.
    pub port: Option<u16>,
}

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "write ADDRESS, ADDRESS:PORT or :PORT, such as `10.1.2.3:8080`".to_owned();
        let port = |text: &str| text.parse::<u16>().map_err(|_| wrong());
        let at = match text.rsplit_once(':') {
            _ if text.is_empty() => Self::default(),
            Some(("", only)) => Self { host: None, port: Some(port(only)?) },
            Some((host, port_there)) if host.parse::<Ipv4Addr>().is_ok() => {
                Self { host: host.parse().ok(), port: Some(port(port_there)?) }
            }
            // CloudStack takes no address of IPv6.
            _ => Self { host: Some(text.parse::<Ipv4Addr>().map_err(|_| wrong())?.into()), port: None },
        };
        match at.host {
            Some(host) if host.is_unspecified() => Err("no cloud can fetch from that address".to_owned()),
            _ => Ok(at),
        }
    }
}

impl At {
    /// The whole address.
    fn address(self, cloud: &CloudStack) -> Result<SocketAddr, CloudStackError> {
        let host = match self.host {
            Some(host) => host,
            None => way_to(cloud)?,
        };
        Ok(SocketAddr::new(host, self.port.unwrap_or(8080)))
    }
}

/// The address of this host from which the cloud is reached. Nothing is sent.
fn way_to(cloud: &CloudStack) -> Result<IpAddr, CloudStackError> {
    let failed = |why: String| {
        CloudStackError::new(
            CloudStackErrorKind::Usage,
            "find the address of this host that the cloud reaches",
        )
        .because(why)
        .hint("`--serve ADDRESS:PORT` says it")
    };
    let endpoint = &cloud.place().endpoint.url;
    let url = url::Url::parse(endpoint).map_err(|error| failed(error.to_string()))?;
    let addresses = url.socket_addrs(|| None).map_err(|error| failed(error.to_string()))?;
    let there = addresses.into_iter().find(SocketAddr::is_ipv4);
    let there = there.ok_or_else(|| failed("the cloud has no address of IPv4".to_owned()))?;
    let way = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect(there)?;
        socket.local_addr()
    });
    way.map(|address| address.ip()).map_err(|error| failed(error.to_string()))
}

impl Job<'_> {
    /// Puts the file where the cloud can fetch it, and has it do so.
    pub(super) async fn serve(
        &self,
        cx: &Cx,
        cloud: &CloudStack,
        ready: &Ready,
        (path, image, at): (&Path, &Image, At),
    ) -> Result<Made, CloudStackError> {
        let (size, sha256) = digest_of(cx, path).await?;
        if size != image.file_bytes {
            return Err(CloudStackError::new(
                CloudStackErrorKind::Usage,
                format!("read `{}`", path.display()),
            )
            .because("the file changes while it is read"));
        }
        let address = at.address(cloud)?;
        let name = format!("{}.{}", plain(self.name), self.format.end());
        let served = Served::start(cx, address, (path, size), &name).await.map_err(|why| {
            CloudStackError::new(CloudStackErrorKind::Usage, format!("serve the file at {address}"))
                .because(why)
                .hint("`--serve ADDRESS:PORT` says another place; CloudStack fetches from the ports 80, 8080 and 443 only")
        })?;
        if address.ip().is_loopback() || !PORTS.contains(&address.port()) {
            cx.events().warn(
                format!("the cloud is to fetch from {}", served.url),
                Some(
                    "CloudStack takes the ports 80, 8080 and 443 only, and no address of its own".to_owned(),
                ),
            );
        } else {
            cx.events().notice(format!("the file is served at {}", served.url));
        }
        let checksum = format!("{{SHA-256}}{sha256}");
        let made = self.register(cx, cloud, ready, &served.url, Some(&checksum)).await?;
        Ok(Made { sha256: Some(sha256), served: Some(served), ..made })
    }
}

/// What becomes of a template whose file is served, with a word when nobody comes for it.
pub(super) async fn fetched<T>(
    cx: &Cx,
    served: Option<&Served>,
    arriving: impl Future<Output = Result<T, CloudStackError>>,
) -> Result<T, CloudStackError> {
    let Some(served) = served else { return arriving.await };
    let never = || {
        format!(
            "nobody ever asked for {}: a storage VM of the cloud must reach that address, past firewalls, and the setting \
             `secstorage.allowed.internal.sites` must allow it",
            served.url
        )
    };
    let mut arriving = std::pin::pin!(arriving);
    let ended = if let Ok(ended) = tokio::time::timeout(LONELY, &mut arriving).await {
        ended
    } else {
        if served.fetched().is_none() {
            cx.events().warn(never(), None);
        }
        arriving.await
    };
    ended.map_err(|error| match (error.kind(), served.fetched()) {
        (CloudStackErrorKind::Cancelled, _) => error,
        (_, None) => error.hint(never()),
        (_, Some(bytes)) => {
            error.or_hint(format!("{bytes} bytes of the file were fetched from {}", served.url))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_said_in_whole_or_in_part() {
        let host = Some("10.1.2.3".parse().unwrap());
        for (text, at) in [
            ("", At::default()),
            ("10.1.2.3", At { host, port: None }),
            ("10.1.2.3:80", At { host, port: Some(80) }),
            (":443", At { host: None, port: Some(443) }),
        ] {
            assert_eq!(text.parse(), Ok(at), "{text}");
        }
        for text in ["host", "10.1.2.3:x", "[2001:db8::1]:80", "0.0.0.0:80", "10.1.2.3:99999"] {
            assert!(text.parse::<At>().is_err(), "{text}");
        }
    }
}
