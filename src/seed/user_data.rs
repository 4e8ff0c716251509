//! User data of an instance: for cloud-init, beside what the user gives it, or for Ignition.
use super::{SeedError, SeedSpec, nocloud, write_private};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;
use std::{io, path::Path};

/// What EC2 takes, before it is encoded
/// ([user data](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-add-user-data.html)).
pub const USER_DATA_LIMIT: usize = 16 * 1024;

/// Separates the parts. It stands in no text of ours, and cloud-init reads parts in base64, so in none of the user's either.
const BOUNDARY: &str = "==goldsmith-part==";

/// Writes user data that cloud-init reads, in a new file that only its owner can read. `own` is the user's: any of cloud-init's formats.
/// Where it and ours say different things, ours count: they come last.
pub fn write_user_data(path: &Path, spec: &SeedSpec<'_>, own: Option<&[u8]>) -> Result<(), SeedError> {
    let ours = nocloud::user_data(spec)?;
    let Some(own) = own else { return fitting(path, ours.expose().as_bytes()) };
    // cloud-init finds out by the first line what a part of this type is.
    let part = |text: &[u8]| {
        let body: Vec<String> = STANDARD
            .encode(text)
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        format!(
            "--{BOUNDARY}\r\nContent-Type: text/plain; charset=\"utf-8\"\r\nMIME-Version: 1.0\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            body.join("\r\n")
        )
    };
    let text = format!(
        "Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\r\nMIME-Version: 1.0\r\n\r\n{}{}--{BOUNDARY}--\r\n",
        part(own),
        part(ours.expose().as_bytes())
    );
    fitting(path, text.as_bytes())
}

/// Writes user data that Ignition reads (specification 3.0.0, which every later version reads), in a new file that only its owner can read.
/// `own` is the user's configuration, which is merged.
pub fn write_ignition(path: &Path, spec: &SeedSpec<'_>, own: Option<&[u8]>) -> Result<(), SeedError> {
    let data = |text: &[u8]| format!("data:;base64,{}", STANDARD.encode(text));
    let file = |path: &str, mode: u32, text: &str| {
        json!({
            "path": path,
            "mode": mode,
            "overwrite": true,
            "contents": { "source": data(text.as_bytes()) },
        })
    };
    let mut user = json!({ "name": spec.user, "sshAuthorizedKeys": [spec.authorized_key.trim()] });
    if spec.user != "root" && spec.user != CORE {
        // The group that may use sudo without a password on Flatcar and on Fedora CoreOS.
        user["groups"] = json!(["wheel", "sudo"]);
    }
    let mut ignition = json!({ "version": "3.0.0" });
    if let Some(own) = own {
        ignition["config"] = json!({ "merge": [{ "source": data(own) }] });
    }
    let private = format!("{}\n", spec.host_key_private.expose().trim_end());
    let public = format!("{}\n", spec.host_key_public.trim());
    let text = json!({
        "ignition": ignition,
        "passwd": { "users": [user] },
        "storage": {
            "files": [
                // The host key by which the build recognises this guest.
                file("/etc/ssh/ssh_host_ed25519_key", 0o600, &private),
                file("/etc/ssh/ssh_host_ed25519_key.pub", 0o644, &public),
            ],
        },
    });
    fitting(path, text.to_string().as_bytes())
}

/// The user that every Flatcar and Fedora CoreOS has.
pub const CORE: &str = "core";

fn fitting(path: &Path, bytes: &[u8]) -> Result<(), SeedError> {
    if bytes.len() > USER_DATA_LIMIT {
        let why = format!("{} bytes, and an instance takes {USER_DATA_LIMIT}", bytes.len());
        return Err(SeedError::Write { path: path.to_owned(), source: io::Error::other(why) });
    }
    write_private(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Secret;

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

    fn written(write: impl FnOnce(&Path) -> Result<(), SeedError>) -> Result<String, SeedError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("user-data");
        write(&path).map(|()| std::fs::read_to_string(path).unwrap())
    }

    /// The parts of a MIME message as Python's parser sees them, which is cloud-init's.
    fn parts(text: &str) -> Vec<String> {
        let program = "import email,json,sys\n\
                       m=email.message_from_string(sys.stdin.read())\n\
                       json.dump([p.get_payload(decode=True).decode() for p in m.walk() if not p.is_multipart()],sys.stdout)";
        let mut child = std::process::Command::new("python3")
            .args(["-c", program])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success());
        serde_json::from_slice(&out.stdout).unwrap()
    }

    #[test]
    fn alone_it_is_a_cloud_config_and_with_the_users_the_last_of_two_parts() {
        let secret = Secret::new("-----BEGIN\nKEY\n-----END\n");
        let alone = written(|path| write_user_data(path, &spec("builder", &secret), None)).unwrap();
        assert!(alone.starts_with("#cloud-config\n"));
        let own = "#!/bin/sh\necho 'é' >/run/own\n";
        let both =
            written(|path| write_user_data(path, &spec("builder", &secret), Some(own.as_bytes()))).unwrap();
        assert_eq!(parts(&both), [own, &alone]);
    }

    #[test]
    fn ignition_gets_the_key_the_host_key_and_the_users_configuration() {
        let secret = Secret::new("-----BEGIN\nKEY\n-----END\n");
        let own = br#"{"ignition":{"version":"3.3.0"}}"#;
        let text = written(|path| write_ignition(path, &spec("core", &secret), Some(own))).unwrap();
        let config: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(config["ignition"]["version"], "3.0.0");
        let merged = config["ignition"]["config"]["merge"][0]["source"].as_str().unwrap();
        assert_eq!(STANDARD.decode(merged.strip_prefix("data:;base64,").unwrap()).unwrap(), own);
        assert_eq!(
            config["passwd"]["users"],
            json!([{ "name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAA build"] }])
        );
        let key = &config["storage"]["files"][0];
        assert_eq!(
            (key["path"].as_str(), key["mode"].as_u64()),
            (Some("/etc/ssh/ssh_host_ed25519_key"), Some(384))
        );
        let other = written(|path| write_ignition(path, &spec("builder", &secret), None)).unwrap();
        assert!(other.contains(r#""groups":["wheel","sudo"]"#), "{other}");
    }

    #[test]
    fn more_than_an_instance_takes_is_refused() {
        let secret = Secret::new("k");
        let own = vec![b'x'; USER_DATA_LIMIT];
        let error = written(|path| write_user_data(path, &spec("builder", &secret), Some(&own))).unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("16384"));
    }
}
