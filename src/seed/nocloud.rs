//! The NoCloud seed.
use super::{SeedError, SeedSpec, fat, iso, write_private};
use crate::value::Secret;
use minijinja::{Environment, UndefinedBehavior, context};
use std::path::Path;

const USER_DATA: &str = include_str!("../../cloud-init/user-data.j2");
pub(super) const META_DATA: &str = include_str!("../../cloud-init/meta-data.j2");
/// The label by which cloud-init finds the volume.
const LABEL: [u8; 11] = *b"CIDATA     ";

/// Writes a new image file with the seed, readable by its owner only: it holds the guest's private host key.
pub fn write_nocloud(path: &Path, spec: &SeedSpec<'_>) -> Result<(), SeedError> {
    let (user_data, meta_data) = render(spec)?;
    let files = [("user-data", user_data.expose().as_bytes()), ("meta-data", meta_data.as_bytes())];
    let bytes = fat::volume(LABEL, &files).map_err(SeedError::Volume)?;
    write_private(path, &bytes)
}

/// The same as a CD-ROM.
pub fn write_nocloud_iso(path: &Path, spec: &SeedSpec<'_>) -> Result<(), SeedError> {
    let (user_data, meta_data) = render(spec)?;
    let files = [("user-data", user_data.expose().as_bytes()), ("meta-data", meta_data.as_bytes())];
    iso::write_iso(path, "cidata", &files)
}

/// What cloud-init is told, wherever it finds it.
pub(super) fn user_data(spec: &SeedSpec<'_>) -> Result<Secret, SeedError> {
    render(spec).map(|(user_data, _)| user_data)
}

fn render(spec: &SeedSpec<'_>) -> Result<(Secret, String), SeedError> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    let fill = |name: &'static str, template: &str| {
        // `tojson` quotes every value: JSON strings are YAML strings.
        env.render_named_str(
            name,
            template,
            context! {
                instance_id => spec.instance_id,
                hostname => spec.hostname,
                user => spec.user,
                authorized_key => spec.authorized_key.trim(),
                host_key_private => spec.host_key_private.expose(),
                host_key_public => spec.host_key_public.trim(),
            },
        )
        .map_err(|source| SeedError::Template { name: format!("cloud-init/{name}"), source })
    };
    Ok((Secret::new(fill("user-data", USER_DATA)?), fill("meta-data", META_DATA)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Write, process::Command};

    const HOSTILE: &str = "it's \"q\": - [a, &b] #c\n  evil: true\t\u{1}{{ user }}";

    fn spec<'a>(user: &'a str, secret: &'a Secret) -> SeedSpec<'a> {
        SeedSpec {
            instance_id: "goldsmith-0123456789ab",
            hostname: "golden",
            user,
            authorized_key: "ssh-ed25519 AAAA build\n",
            host_key_private: secret,
            host_key_public: "ssh-ed25519 BBBB guest",
        }
    }

    fn secret() -> Secret {
        Secret::new("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA+/=\nBBBB\n-----END OPENSSH PRIVATE KEY-----\n")
    }

    /// What a YAML parser makes of it: the reader is Python's, as in the guest.
    fn yaml(text: &str) -> serde_json::Value {
        let program = "import json,sys,yaml;json.dump(yaml.safe_load(sys.stdin),sys.stdout)";
        let mut child = Command::new("python3")
            .args(["-c", program])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{text}");
        serde_json::from_slice(&out.stdout).unwrap()
    }

    #[test]
    fn user_data_reads_as_it_always_did() {
        let secret = secret();
        insta::assert_snapshot!("build_user", render(&spec("builder", &secret)).unwrap().0.expose());
        insta::assert_snapshot!("root", render(&spec("root", &secret)).unwrap().0.expose());
    }

    #[test]
    fn the_guest_reads_back_exactly_the_values_we_put_in() {
        let secret = secret();
        let mut hostile = spec(HOSTILE, &secret);
        hostile.hostname = HOSTILE;
        let (user_data, meta_data) = render(&hostile).unwrap();
        let read = yaml(user_data.expose());
        assert_eq!(read["users"][0]["name"], HOSTILE);
        assert_eq!(read["users"].as_array().unwrap().len(), 1);
        assert_eq!(read["users"][0]["ssh_authorized_keys"][0], "ssh-ed25519 AAAA build");
        assert_eq!(read["ssh_keys"]["ed25519_private"], secret.expose());
        assert_eq!(read["locale"], false);
        assert_eq!(yaml(&meta_data)["local-hostname"], HOSTILE);
    }

    #[test]
    fn root_gets_the_key_itself_and_no_user_is_made() {
        let secret = secret();
        let read = yaml(render(&spec("root", &secret)).unwrap().0.expose());
        assert_eq!(read["disable_root"], false);
        assert_eq!(read["users"][0]["name"], "root");
        assert!(read["users"][0].get("sudo").is_none());
    }

    #[test]
    fn other_tools_read_the_volume_and_its_label() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed.img");
        let secret = secret();
        write_nocloud(&path, &spec("builder", &secret)).unwrap();
        let run = |program: &str, args: &[&str]| {
            let out = Command::new(program).args(args).arg(&path).output().unwrap();
            String::from_utf8_lossy(&out.stdout).into_owned()
        };
        let probed = run("blkid", &["-p", "-o", "export"]);
        assert!(probed.contains("LABEL=CIDATA\n") && probed.contains("TYPE=vfat\n"), "{probed}");
        let checked = Command::new("mtype").arg("-i").arg(&path).arg("::user-data").output().unwrap();
        assert_eq!(
            String::from_utf8(checked.stdout).unwrap(),
            render(&spec("builder", &secret)).unwrap().0.expose()
        );
        let checked = Command::new("mtype").arg("-i").arg(&path).arg("::meta-data").output().unwrap();
        assert!(String::from_utf8(checked.stdout).unwrap().contains("local-hostname: \"golden\""));
        let listed = Command::new("mdir").args(["-b", "-i"]).arg(&path).arg("::").output().unwrap();
        assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 2);
    }

    #[test]
    fn the_same_seed_has_the_same_bytes_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let secret = secret();
        write_nocloud(&one, &spec("builder", &secret)).unwrap();
        write_nocloud(&two, &spec("builder", &secret)).unwrap();
        assert!(std::fs::read(&one).unwrap() == std::fs::read(&two).unwrap());
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&one).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let error = write_nocloud(&one, &spec("builder", &secret)).unwrap_err();
        assert!(error.to_string().contains("could not write the seed to"), "{error}");
    }
}
