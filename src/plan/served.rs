//! Where an installer finds answers that it fetches: placeholders in the notation of Packer, which has the same.
//!
//! The address is known only while the installer's machine exists, so texts of a plan say `{{ .HTTPIP }}` and `{{ .HTTPPort }}`.
use std::net::{IpAddr, SocketAddr};

/// Whether `text` says where answers are served.
pub fn says_server(text: &str) -> bool {
    let mut found = false;
    let _ = fill(text, |_| {
        found = true;
        Some(String::new())
    });
    found
}

/// `text` with the address that answers are served at.
pub fn with_server(text: &str, server: SocketAddr) -> String {
    fill(text, |what| {
        Some(match (what, server.ip()) {
            (Placeholder::Port, _) => server.port().to_string(),
            (Placeholder::Ip, IpAddr::V4(ip)) => ip.to_string(),
            (Placeholder::Ip, IpAddr::V6(ip)) => format!("[{ip}]"),
        })
    })
}

#[derive(Debug, Clone, Copy)]
enum Placeholder {
    Ip,
    Port,
}

/// Replaces placeholders; what is in braces and is none stays.
fn fill(text: &str, mut with: impl FnMut(Placeholder) -> Option<String>) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("{{") {
        let inner = behind.split_once("}}");
        let what = inner.and_then(|(inner, _)| match inner.trim() {
            ".HTTPIP" => Some(Placeholder::Ip),
            ".HTTPPort" => Some(Placeholder::Port),
            _ => None,
        });
        filled.push_str(before);
        if let (Some(value), Some((_, after))) = (what.and_then(&mut with), inner) {
            filled.push_str(&value);
            rest = after;
        } else {
            filled.push_str("{{");
            rest = behind;
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use test_case::test_case;

    #[test_case("url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg" => "url=http://10.0.2.2:8099/preseed.cfg"; "as in packer")]
    #[test_case("{{.HTTPIP}} {{ .Name }} {{" => "10.0.2.2 {{ .Name }} {{"; "others stay")]
    #[test_case("{{ {{ .HTTPPort }}" => "{{ 8099"; "braces before")]
    fn the_address_is_filled_in(text: &str) -> String {
        assert!(says_server(text));
        with_server(text, "10.0.2.2:8099".parse().unwrap())
    }

    proptest! {
        #[test]
        fn texts_without_placeholders_stay(text in any::<String>()) {
            let filled = with_server(&text, "[::1]:1".parse().unwrap());
            prop_assert_eq!(filled == text, !says_server(&text));
        }
    }
}
