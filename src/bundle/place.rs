//! Where files go that leave a bundle: a path for each address.
use url::Url;

/// Amazon's servers of EKS Distro and of EKS Anywhere: what they have is looked for by its path alone on servers of one's own.
pub(super) const EKSD: &str = "distro.eks.amazonaws.com";
pub(super) const EKSA: &str = "anywhere-assets.eks.amazonaws.com";

/// `<host>/<path>` of an address, port and query included: a path that stays below where it begins.
pub fn path_of(url: &Url) -> String {
    let mut path = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => url.scheme().to_owned(),
    };
    let below = below(url);
    if !below.is_empty() {
        path.push('/');
        path.push_str(&below);
    }
    path
}

/// The path of an address without its host.
pub(super) fn below(url: &Url) -> String {
    // The parser has resolved `..` already, also when it was written `%2e%2e`; this holds whatever it does.
    let parts = url.path().split('/').filter(|part| !matches!(*part, "" | "." | ".."));
    let mut path = parts.collect::<Vec<_>>().join("/");
    if url.path().ends_with('/') {
        // A folder's own answer.
        path.push_str(if path.is_empty() { "_" } else { "/_" });
    }
    if let Some(query) = url.query() {
        path.push('?');
        path.push_str(&query.replace('/', "%2F"));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("https://deb.example.org/debian/pool/a_1%2B2.deb" => "deb.example.org/debian/pool/a_1%2B2.deb")]
    #[test_case("http://h:8080/x" => "h:8080/x"; "port")]
    #[test_case("https://h:443/x" => "h/x"; "usual port")]
    #[test_case("https://h/../../etc/passwd" => "h/etc/passwd"; "upwards")]
    #[test_case("https://h/%2e%2e/%2E%2E/x" => "h/x"; "upwards in disguise")]
    #[test_case("https://h/..%2f..%2fx" => "h/..%2f..%2fx"; "no folder")]
    #[test_case("https://h/a//b" => "h/a/b"; "nothing between")]
    #[test_case("https://h/" => "h/_"; "the root")]
    #[test_case("https://h/v2/" => "h/v2/_"; "a folder")]
    #[test_case("https://h/x?a=/../b" => "h/x?a=%2F..%2Fb"; "query")]
    #[test_case("file:///srv/x" => "file/srv/x"; "a file of a host")]
    fn paths(url: &str) -> String {
        path_of(&Url::parse(url).unwrap())
    }
}
