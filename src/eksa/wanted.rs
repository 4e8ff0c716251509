//! Which manifests are meant: what the user says, and the environment variables that EKS Anywhere's own tools know.
use super::{EksaError, EksaErrorKind, Which};
use std::path::{Path, PathBuf};
use url::Url;

const PUBLIC: &str = "https://anywhere-assets.eks.amazonaws.com/releases/eks-a/manifest.yaml";
const DEV: &str = "https://dev-release-assets.eks-anywhere.model-rocket.aws.dev/";

/// What the user says; the environment says the rest.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Address or path of the release manifest.
    pub manifest: Option<String>,
    /// Path of a tar with the manifests, instead of servers.
    pub tarball: Option<PathBuf>,
    /// Version of EKS Anywhere.
    pub release: Option<String>,
    /// Ask no server: take copies.
    pub offline: bool,
    /// Take signed manifests only.
    pub signed_only: bool,
}

/// Which manifests are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The release manifest.
    pub manifest: Url,
    /// A tar with the manifests, instead of servers.
    pub tarball: Option<PathBuf>,
    /// It lists development builds.
    pub dev: bool,
    /// The release.
    pub which: Which,
    /// The bundle manifest, whatever the release manifest says.
    pub bundle: Option<Url>,
    /// The manifest of EKS-D, whatever the bundle manifest says.
    pub eksd: Option<Url>,
    /// Ask no server: take copies.
    pub offline: bool,
    /// Take signed manifests only.
    pub signed_only: bool,
}

impl Said {
    /// Adds what the environment says, read through `var`.
    ///
    /// `EKSA_USE_DEV_RELEASE=true` means the development builds of the branch `BRANCH_NAME` (`main` is none) and their latest, whatever
    /// `EKSA_RELEASE_VERSION` says. `EKSA_RELEASE_MANIFEST_URL`, `EKSA_BUNDLE_MANIFEST_URL` and `EKSD_MANIFEST_URL` are addresses or paths.
    pub fn wanted(&self, var: impl Fn(&str) -> Option<String>) -> Result<Wanted, EksaError> {
        let set = |name: &str| var(name).filter(|value| !value.is_empty());
        let named = |name: &str| {
            set(name).map(|value| address(&value).map_err(|error| error.or_hint(format!("`{name}` says so"))))
        };
        let dev = set("EKSA_USE_DEV_RELEASE").as_deref() == Some("true");
        let manifest = match (&self.manifest, named("EKSA_RELEASE_MANIFEST_URL").transpose()?) {
            (Some(said), _) => address(said)?,
            (None, Some(url)) => url,
            (None, None) if dev => {
                let branch = set("BRANCH_NAME").filter(|branch| branch != "main");
                let branch = branch.map(|branch| format!("{branch}/")).unwrap_or_default();
                address(&format!("{DEV}{branch}eks-a-release.yaml"))?
            }
            (None, None) => address(PUBLIC)?,
        };
        let version = self.release.clone().or_else(|| set("EKSA_RELEASE_VERSION").filter(|_| !dev));
        let which = match version {
            Some(version) if version != "latest" => Which::Version(version),
            _ => Which::Latest,
        };
        Ok(Wanted {
            manifest,
            tarball: self.tarball.clone(),
            dev,
            which,
            bundle: named("EKSA_BUNDLE_MANIFEST_URL").transpose()?,
            eksd: named("EKSD_MANIFEST_URL").transpose()?,
            offline: self.offline,
            signed_only: self.signed_only,
        })
    }
}

/// An address, or a path as one.
pub(super) fn address(text: &str) -> Result<Url, EksaError> {
    let wrong = |why: String| {
        EksaError::new(EksaErrorKind::Usage, format!("take `{text}` for an address"))
            .because(why)
            .hint("write an address (https, http, file) or the path of a file")
    };
    if text.contains("://") {
        let url: Url = text.parse().map_err(|error: url::ParseError| wrong(error.to_string()))?;
        return match url.scheme() {
            "http" | "https" | "file" => Ok(url),
            other => Err(wrong(format!("`{other}` addresses are not read"))),
        };
    }
    let path = std::path::absolute(Path::new(text)).map_err(|error| wrong(error.to_string()))?;
    Url::from_file_path(&path).map_err(|()| wrong("it is no path".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn wanted(said: &Said, vars: &[(&str, &str)]) -> Result<Wanted, EksaError> {
        let find =
            |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        said.wanted(find)
    }

    #[test_case(&[], PUBLIC, None; "nothing said")]
    #[test_case(&[("EKSA_RELEASE_VERSION", "v0.20.1")], PUBLIC, Some("v0.20.1"); "a version")]
    #[test_case(&[("EKSA_RELEASE_VERSION", "latest")], PUBLIC, None; "the latest")]
    #[test_case(&[("EKSA_USE_DEV_RELEASE", "false"), ("BRANCH_NAME", "x")], PUBLIC, None; "no development")]
    #[test_case(&[("EKSA_USE_DEV_RELEASE", "true"), ("EKSA_RELEASE_VERSION", "v0.20.1")],
        "https://dev-release-assets.eks-anywhere.model-rocket.aws.dev/eks-a-release.yaml", None; "development")]
    #[test_case(&[("EKSA_USE_DEV_RELEASE", "true"), ("BRANCH_NAME", "main")],
        "https://dev-release-assets.eks-anywhere.model-rocket.aws.dev/eks-a-release.yaml", None; "the main branch")]
    #[test_case(&[("EKSA_USE_DEV_RELEASE", "true"), ("BRANCH_NAME", "release-0.22")],
        "https://dev-release-assets.eks-anywhere.model-rocket.aws.dev/release-0.22/eks-a-release.yaml", None; "a branch")]
    #[test_case(&[("EKSA_RELEASE_MANIFEST_URL", "/m/a.yaml")], "file:///m/a.yaml", None; "a file")]
    fn the_environment_chooses_the_manifest(vars: &[(&str, &str)], url: &str, version: Option<&str>) {
        let found = wanted(&Said::default(), vars).unwrap();
        let which = version.map_or(Which::Latest, |version| Which::Version(version.to_owned()));
        assert_eq!((found.manifest.as_str(), found.which), (url, which));
    }

    #[test]
    fn what_the_user_says_wins() {
        let said = Said {
            manifest: Some("http://mirror/m.yaml".into()),
            release: Some("v0.1.0".into()),
            ..Said::default()
        };
        let vars = [
            ("EKSA_USE_DEV_RELEASE", "true"),
            ("EKSA_RELEASE_VERSION", "v2"),
            ("EKSD_MANIFEST_URL", "d.yaml"),
        ];
        let found = wanted(&said, &vars).unwrap();
        assert_eq!(found.manifest.as_str(), "http://mirror/m.yaml");
        assert_eq!(found.which, Which::Version("v0.1.0".into()));
        assert!(found.eksd.unwrap().path().ends_with("/d.yaml"));
    }

    #[test]
    fn an_address_that_is_none_names_its_variable() {
        let error = wanted(&Said::default(), &[("EKSA_BUNDLE_MANIFEST_URL", "ftp://x/y")]).unwrap_err();
        assert!(error.to_string().contains("ftp://x/y"), "{error}");
    }
}
