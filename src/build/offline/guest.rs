//! What a guest is told while its build is offline: which proxy to ask, and by which certificate it is known. All of it is removed by the seal.
use crate::guest::quote;

/// A folder of the guest that is there for the time of the build.
const FOLDER: &str = "/var/lib/goldsmith-offline";

/// The script that tells apt, dnf and whoever reads the environment's file that the proxy is at `port` of the guest's loopback.
pub(super) fn script(port: u16, ca: &str) -> String {
    let proxy = format!("http://127.0.0.1:{port}");
    let file = format!("{FOLDER}/ca.pem");
    let env = format!(
        "export http_proxy={proxy} https_proxy={proxy} HTTP_PROXY={proxy} HTTPS_PROXY={proxy}\n\
         export no_proxy=localhost,127.0.0.1,::1 NO_PROXY=localhost,127.0.0.1,::1\n\
         export CURL_CA_BUNDLE={file} SSL_CERT_FILE={file} REQUESTS_CA_BUNDLE={file}\n"
    );
    let apt = format!(
        "Acquire::http::Proxy \"{proxy}\";\nAcquire::https::Proxy \"{proxy}\";\nAcquire::https::CAInfo \"{file}\";\n\
         // What was collected is as old as it is.\nAcquire::Check-Valid-Until \"false\";\n"
    );
    let dnf = format!("proxy={proxy}\nsslcacert={file}\n");
    format!(
        "umask 022\nmkdir -p {FOLDER}\nprintf %s {ca} >{file}\nprintf %s {env} >{FOLDER}/env\n\
         if [ -d /etc/apt ]; then\n  mkdir -p /etc/apt/apt.conf.d\n  printf %s {apt} >/etc/apt/apt.conf.d/zzz-goldsmith-offline\nfi\n\
         for f in /etc/dnf/dnf.conf /etc/yum.conf /etc/tdnf/tdnf.conf; do\n\
         \x20 if [ ! -f \"$f\" ] || [ -L \"$f\" ]; then continue; fi\n\
         \x20 t=$(mktemp)\n\
         \x20 sed '/^# goldsmith-offline begin$/,/^# goldsmith-offline end$/d' \"$f\" >\"$t\"\n\
         \x20 if ! grep -q '^\\[main\\]' \"$t\"; then echo '[main]' >>\"$t\"; fi\n\
         \x20 lines={dnf} awk '\n{AWK}' \"$t\" >\"$f\"\n\
         \x20 rm -f \"$t\"\n\
         done\n",
        ca = quote(ca),
        env = quote(&env),
        apt = quote(&apt),
        dnf = quote(&dnf),
    )
}

/// Puts our lines behind the head of the first section.
const AWK: &str = "{ print }\n/^\\[main\\]/ && !done { printf \"# goldsmith-offline begin\\n%s# goldsmith-offline end\\n\", ENVIRON[\"lines\"]; done = 1 }\n";

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_script_is_as_reviewed() {
        insta::assert_snapshot!(script(
            4321,
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
        ));
    }

    /// Runs what the guest is told, and then the seal's part about it, below a folder of ours.
    #[test]
    fn the_seal_takes_back_what_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display().to_string();
        for path in ["etc/apt/apt.conf.d", "etc/dnf", "etc/tdnf", "run", "var/lib"] {
            std::fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let conf = "# of the distribution\n[main]\ngpgcheck=1\nexclude=\n";
        std::fs::write(folder.path().join("etc/dnf/dnf.conf"), conf).unwrap();
        std::fs::write(folder.path().join("etc/tdnf/tdnf.conf"), "").unwrap();
        let run = |script: &str| {
            let script = ["/etc/", "/var/", "/run/"]
                .iter()
                .fold(script.to_owned(), |script, dir| script.replace(dir, &format!("{root}{dir}")));
            let out = Command::new("sh").args(["-euc", &script]).output().unwrap();
            assert!(out.status.success(), "{out:?}");
        };
        let read = |path: &str| std::fs::read_to_string(folder.path().join(path)).unwrap();
        // Twice, as after a restart.
        run(&script(4321, "CA\n"));
        run(&script(4321, "CA\n"));
        let told = read("etc/dnf/dnf.conf");
        assert_eq!(told.matches("proxy=http://127.0.0.1:4321").count(), 1, "{told}");
        assert!(told.starts_with("# of the distribution\n[main]\n# goldsmith-offline begin\n"), "{told}");
        assert!(read("etc/apt/apt.conf.d/zzz-goldsmith-offline").contains("Acquire::https::Proxy"));
        let seal = include_str!("../../provision/seal.sh");
        let functions = &seal[seal.find("removed()").unwrap()..seal.find("systemd=no").unwrap()];
        let ours = seal.find("# --- The way of an offline build").unwrap();
        let ours = &seal[ours..ours + seal[ours..].find("\n\n").unwrap()];
        run(&format!("{functions}\n{ours}\n"));
        assert_eq!(read("etc/dnf/dnf.conf"), conf);
        assert_eq!(read("etc/tdnf/tdnf.conf"), "[main]\n");
        assert!(!folder.path().join("var/lib/goldsmith-offline").exists());
        assert!(!folder.path().join("etc/apt/apt.conf.d/zzz-goldsmith-offline").exists());
    }
}
