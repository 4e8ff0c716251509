//! What apt is told when goldsmith is offline: all that it asks for, it asks a proxy of ours for.
use crate::fetch::Detour;
use std::{fmt::Write as _, path::Path};
use tokio::process::Command;

/// Name of the certificate's file.
pub(super) const CA: &str = "proxy-ca.pem";

/// apt.conf(5) for the time of the bootstrap. The proxy stands in for HTTPS servers with the certificate at `ca`: what comes is what was
/// collected, and apt compares it with the archive's signatures as ever.
pub(super) fn apt_conf(detour: &Detour, ca: &Path, validity: &[String]) -> String {
    let proxy = detour.proxy;
    let mut conf = format!(
        "Acquire::http::Proxy \"http://{proxy}\";\nAcquire::https::Proxy \"http://{proxy}\";\n\
         Acquire::https::CAInfo \"{}\";\n\
         // A collection is as old as it is.\nAcquire::Check-Valid-Until \"false\";\n\
         // The certificate lies in a folder that is nobody else's.\nAPT::Sandbox::User \"root\";\n",
        ca.display()
    );
    for line in validity {
        let _ = writeln!(conf, "{line}");
    }
    conf
}

/// Takes from a command what would lead it past the proxy, or to another one.
pub(super) fn alone(command: &mut Command) {
    for name in ["http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_is_led_to_the_proxy_for_both_schemes() {
        let detour = Detour { proxy: "127.0.0.1:4321".parse().unwrap(), ca: String::new() };
        let conf =
            apt_conf(&detour, Path::new("/work/b/proxy-ca.pem"), &["Acquire::Check-Date \"false\";".into()]);
        insta::assert_snapshot!(conf);
    }
}
