//! The step that makes a node: variables as parameters of the role `kubernetes-node`.
use super::{Document, Group, Item, Make, System, digest};
use crate::compat::{CompatError, capi::SecretPlace};

/// Texts that are parameters as they are, when the user gives them.
const TEXTS: &[(&str, &str)] = &[
    ("kubernetes_deb_version", "kubernetes-deb-version"),
    ("kubernetes_rpm_version", "kubernetes-rpm-version"),
    ("kubernetes_cni_deb_version", "kubernetes-cni-deb-version"),
    ("kubernetes_cni_rpm_version", "kubernetes-cni-rpm-version"),
    ("kubernetes_http_source", "kubernetes-http-source"),
    ("kubernetes_cni_http_source", "kubernetes-cni-http-source"),
    ("kubernetes_container_registry", "kubernetes-container-registry"),
    ("containerd_version", "containerd-version"),
    ("containerd_url", "containerd-url"),
    ("containerd_additional_settings", "containerd-additional-settings"),
    ("containerd_cri_socket", "containerd-cri-socket"),
    ("containerd_gvisor_version", "containerd-gvisor-version"),
    ("containerd_image_pull_progress_timeout", "containerd-image-pull-progress-timeout"),
    ("runc_version", "runc-version"),
    ("crictl_version", "crictl-version"),
    ("crictl_url", "crictl-url"),
    ("pause_image", "pause-image"),
    ("etcd_version", "etcd-version"),
    ("etcd_http_source", "etcd-url"),
    ("etcdadm_version", "etcdadm-version"),
    ("etcdadm_http_source", "etcdadm-url"),
    ("kubelet_extra_args", "kubelet-extra-args"),
    ("ubuntu_repo", "ubuntu-repo"),
    ("ubuntu_security_repo", "ubuntu-security-repo"),
    ("extra_kernel_boot_params", "extra-kernel-boot-params"),
    ("no_proxy", "no-proxy"),
    ("oem_id", "flatcar-oem-id"),
];

/// Digests, with or without the algorithm.
const DIGESTS: &[(&str, &str)] = &[
    ("containerd_sha256", "containerd-digest"),
    ("crictl_sha256", "crictl-digest"),
    ("etcd_sha256", "etcd-digest"),
    ("etcdadm_sha256", "etcdadm-digest"),
];

/// Yes or no.
const FLAGS: &[(&str, &str)] = &[
    ("kubernetes_load_additional_imgs", "kubernetes-load-additional-images"),
    ("kubernetes_enable_automatic_resource_sizing", "kubernetes-enable-automatic-resource-sizing"),
    ("containerd_enable_limit_no_file", "containerd-enable-limit-no-file"),
    ("containerd_gvisor_runtime", "containerd-gvisor-runtime"),
    ("enable_containerd_audit", "enable-containerd-audit"),
    ("disable_public_repos", "disable-public-repos"),
    ("reenable_public_repos", "reenable-public-repos"),
    ("remove_extra_repos", "remove-extra-repos"),
    ("flatcar_disable_autologin", "flatcar-disable-autologin"),
];

/// Lists with blanks between.
const LISTS: &[(&str, &str)] = &[
    ("extra_debs", "extra-debs"),
    ("extra_rpms", "extra-rpms"),
    ("netplan_removal_excludes", "netplan-removal-excludes"),
];

/// As image-builder's `51-kubevirt-netplan.yaml`.
const KUBEVIRT_NETWORK: &str =
    "network:\n  version: 2\n  ethernets:\n    id0:\n      match:\n        name: enp*s*\n      dhcp4: true\n";

impl Make<'_> {
    pub(super) fn node(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        body.entry("provision");
        body.key("role", "kubernetes-node");
        let mut with = |key: &str, value: Item| body.key(&format!("with.{key}"), value);
        self.release(&mut with)?;
        for (variable, parameter) in TEXTS {
            if let Some(text) = settings.given(variable)? {
                with(parameter, text.into());
            }
        }
        for (variable, parameter) in DIGESTS {
            if let Some(text) = settings.given(variable)? {
                with(parameter, digest(&text).into());
            }
        }
        for (variable, parameter) in FLAGS {
            if settings.given(variable)?.is_some() {
                with(parameter, settings.is_on(variable)?.into());
            }
        }
        for (variable, parameter) in LISTS {
            if settings.given(variable)?.is_some() {
                with(parameter, settings.words(variable)?.into());
            }
        }
        let pinned =
            settings.text("pinned_debs")?.unwrap_or_default().replace([',', '[', ']', '\'', '"'], " ");
        let pinned: Vec<&str> = pinned.split_whitespace().collect();
        if !pinned.is_empty() {
            with("pinned-debs", pinned.into());
        }
        for (variable, parameter) in [("http_proxy", "http-proxy"), ("https_proxy", "https-proxy")] {
            if let Some(value) = self.open_or_secret(variable)? {
                with(parameter, value);
            }
        }
        let repositories: Vec<String> =
            settings.words("extra_repos")?.iter().map(|file| self.path(file).display().to_string()).collect();
        if !repositories.is_empty() {
            with("extra-repos", repositories.into());
        }
        self.enterprise_linux(&mut with)?;
        self.shims(&mut with)?;
        self.additional(&mut with)?;
        self.ecr(&mut with)?;
        if let (Some(url), Some(sum)) =
            (settings.given("amazon_ssm_agent_rpm")?, settings.given("amazon_ssm_agent_sha256")?)
        {
            with("ssm-agent-url", url.into());
            with("ssm-agent-digest", digest(&sum).into());
        } else if settings.given("amazon_ssm_agent_rpm")?.is_some() {
            self.note("`amazon_ssm_agent_rpm` has no published digest: give `amazon_ssm_agent_sha256` too; without it, Ubuntu takes the snap and Amazon Linux its own package");
        }
        self.custom_roles(&mut with)
    }

    /// `sysprep` leaves no network configuration, and KubeVirt gives its machines none: image-builder adds one on Debian's family.
    pub(super) fn kubevirt_network(&self, body: &mut Document) {
        if self.group() == Group::Kubevirt && matches!(self.target.system(), System::Ubuntu(_)) {
            body.entry("provision");
            body.key("name", "let KubeVirt's networks be asked for an address");
            body.key("file.dest", "/etc/netplan/51-kubevirt-netplan.yaml");
            body.key("file.content", KUBEVIRT_NETWORK);
            body.key("file.mode", "0644");
        }
    }

    /// Which Kubernetes, and where it comes from.
    fn release(&self, with: &mut dyn FnMut(&str, Item)) -> Result<(), CompatError> {
        let settings = self.settings;
        let version = settings.needed("kubernetes_semver")?;
        let source = settings.text("kubernetes_source_type")?.unwrap_or_default();
        let files = match (source.as_str(), self.eks) {
            (_, Some(eks)) => {
                with("source", "eks-d".into());
                with("release-channel", eks.channel.as_str().into());
                if let Some((_, number)) = eks.eksd_name.rsplit_once('-') {
                    with("eks-d-release", number.into());
                }
                true
            }
            ("http", None) => {
                with("source", "http".into());
                true
            }
            ("pkg", None) => false,
            (other, None) => {
                let why = format!("`{other}` is neither `pkg` nor `http`");
                return Err(settings.wrong("kubernetes_source_type", &why));
            }
        };
        with("kubernetes-version", version.as_str().into());
        if files {
            if self.eks.is_none() || settings.given("kubernetes_cni_semver")?.is_some() {
                with("kubernetes-cni-version", settings.needed("kubernetes_cni_semver")?.into());
            }
        } else {
            let _ = settings.text("kubernetes_cni_semver")?;
        }
        if let Some(sum) = settings.given("kubernetes_cni_http_checksum")? {
            let sum = sum.strip_prefix("sha256:").unwrap_or(&sum);
            if sum.contains("://") {
                with("kubernetes-cni-digest-url", sum.into());
            } else {
                with("kubernetes-cni-digest", digest(sum).into());
            }
        }
        self.repositories(&version, with)?;
        if self.eks.is_some() {
            // Its archives have full paths and bring a runc, and its configuration has no folder for registries.
            with("containerd-prefix", "/".into());
            with("containerd-certs-d", false.into());
            if self.group().is_ova() {
                with("disable-nic-offload", true.into());
            }
        }
        Ok(())
    }

    /// The role makes the addresses of the Kubernetes project's repositories of the version; image-builder of the series.
    fn repositories(&self, version: &str, with: &mut dyn FnMut(&str, Item)) -> Result<(), CompatError> {
        let settings = self.settings;
        let series = settings.given("kubernetes_series")?;
        let own = version.rsplit_once('.').map_or(version, |(series, _)| series);
        let other = series.filter(|series| series.trim_start_matches('v') != own.trim_start_matches('v'));
        for (variable, parameter, kind) in [
            ("kubernetes_deb_repo", "kubernetes-deb-repo", "deb"),
            ("kubernetes_rpm_repo", "kubernetes-rpm-repo", "rpm"),
        ] {
            if let Some(repository) = settings.given(variable)? {
                with(parameter, repository.into());
            } else if let (Some(series), None) = (&other, self.eks) {
                with(parameter, format!("https://pkgs.k8s.io/core:/stable:/{series}/{kind}/").into());
            }
        }
        Ok(())
    }

    fn enterprise_linux(&self, with: &mut dyn FnMut(&str, Item)) -> Result<(), CompatError> {
        let settings = self.settings;
        let system = self.target.system();
        if system.el() == 0 {
            return Ok(());
        }
        if !settings.is_emptied("redhat_epel_rpm")
            && let Some(rpm) = settings.text("redhat_epel_rpm")?
        {
            with("redhat-epel-rpm", rpm.into());
        }
        if let Some(key) = settings.given("epel_rpm_gpg_key")? {
            if key.contains("BEGIN PGP") {
                with("epel-rpm-gpg-key", key.into());
            } else {
                self.note("`epel_rpm_gpg_key` is not fetched: EPEL's release package is taken as it is, and brings the key that EPEL's packages are checked with");
            }
        }
        if !matches!(system, System::Rhel(_)) {
            return Ok(());
        }
        let user = match settings.given("rhel_username")? {
            Some(user) => Some(user),
            None => settings.env("RHSM_USER").or(settings.env("RHSM_USERNAME")).map(str::to_owned),
        };
        if let Some(user) = user {
            with("rhsm-username", user.into());
        }
        let secret = |variable: &str, names: &[&str]| {
            self.secret(variable).or_else(|| {
                let name = names.iter().find(|name| settings.env(name).is_some())?;
                Some(self.add_secret(variable, SecretPlace::Env((*name).to_owned())))
            })
        };
        for (variable, parameter, names) in [
            ("rhel_password", "rhsm-password", &["RHSM_PASS", "RHSM_PASSWORD"][..]),
            ("rhsm_activation_key", "rhsm-activation-key", &["RHSM_ACTIVATION_KEY"][..]),
        ] {
            if let Some(name) = secret(variable, names) {
                with(parameter, Item::Reference(format!("${{secret.{name}}}")));
            }
        }
        let organisation = settings.given("rhsm_org_id")?.or(settings.env("RHSM_ORG_ID").map(str::to_owned));
        if let Some(organisation) = organisation {
            with("rhsm-org-id", organisation.into());
        }
        for (variable, parameter) in [
            ("rhsm_server_hostname", "rhsm-server-hostname"),
            ("rhsm_server_release_version", "rhsm-server-release-version"),
            ("rhsm_server_proxy_hostname", "rhsm-server-proxy-hostname"),
            ("rhsm_server_proxy_port", "rhsm-server-proxy-port"),
        ] {
            if let Some(text) = settings.given(variable)? {
                with(parameter, text.into());
            }
        }
        if let Some(release) = settings.given("rhsm_server_release_version")? {
            with("releasever", release.into());
        }
        match (settings.given("rhsm_server_hostname")?, settings.given("rhsm_server_ca_sha256")?) {
            (Some(_), Some(sum)) => with("rhsm-server-ca-digest", digest(&sum).into()),
            (Some(server), None) => {
                return Err(CompatError::new(format!("the package with the authority of the Satellite `{server}` is not taken on trust"))
                    .hint(format!("give its SHA-256 as `rhsm_server_ca_sha256`: sha256sum of https://{server}/pub/katello-ca-consumer-latest.noarch.rpm")));
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// WebAssembly runtimes.
    fn shims(&self, with: &mut dyn FnMut(&str, Item)) -> Result<(), CompatError> {
        let settings = self.settings;
        let names = settings.commas("containerd_wasm_shims_runtimes")?;
        if names.is_empty() {
            return Ok(());
        }
        let object = |name: &str| -> Result<serde_json::Map<String, serde_json::Value>, CompatError> {
            let text = settings.needed(name)?;
            serde_json::from_str(&text).map_err(|_| settings.wrong(name, "it is not an object of JSON"))
        };
        let versions = object("containerd_wasm_shims_runtime_versions")?;
        let sums = object("containerd_wasm_shims_sha256")?;
        let url = settings.needed("containerd_wasm_shims_url")?;
        let mut shims = Vec::new();
        for name in names {
            let of = |object: &serde_json::Map<String, serde_json::Value>, variable: &str| {
                let text = object.get(&name).and_then(serde_json::Value::as_str).map(str::to_owned);
                text.ok_or_else(|| settings.wrong(variable, &format!("it says nothing about `{name}`")))
            };
            let version = of(&versions, "containerd_wasm_shims_runtime_versions")?;
            let sum = of(&sums, "containerd_wasm_shims_sha256")?;
            let url = url.replace("<RTVERSION>", &version).replace("<SHIM>", &name);
            shims.push(Item::Table(vec![
                ("name".into(), name.into()),
                ("version".into(), version.into()),
                ("url".into(), url.into()),
                ("digest".into(), digest(&sum).into()),
            ]));
        }
        with("containerd-wasm-shims", Item::List(shims));
        Ok(())
    }

    /// More programs, container images and files.
    fn additional(&self, with: &mut dyn FnMut(&str, Item)) -> Result<(), CompatError> {
        let settings = self.settings;
        if settings.is_on("load_additional_components")? {
            if settings.is_on("additional_s3")? {
                return Err(CompatError::new("`additional_s3` is not known to goldsmith: it loads no objects of S3")
                    .hint("give a signed address of the object in `additional_url_images_list` or `additional_executables_list`"));
            }
            let mut listed = false;
            for (switch, list, parameter) in [
                ("additional_executables", "additional_executables_list", "additional-executables"),
                ("additional_url_images", "additional_url_images_list", "additional-url-images"),
            ] {
                if !settings.is_on(switch)? {
                    continue;
                }
                let files = settings.commas(list)?;
                listed |= !files.is_empty();
                let files = files.into_iter().map(|url| {
                    let sum = format!("{url}.sha256");
                    Item::Table(vec![("url".into(), url.into()), ("digest-url".into(), sum.into())])
                });
                with(parameter, Item::List(files.collect()));
            }
            if listed && self.eks.is_none() {
                self.note("nothing is downloaded without a digest: each address in `additional_executables_list` and `additional_url_images_list` needs a file with `.sha256` at its end beside it");
            }
            if settings.is_on("additional_executables")?
                && let Some(folder) = settings.given("additional_executables_destination_path")?
            {
                with("additional-executables-destination-path", folder.into());
            }
            if settings.is_on("additional_registry_images")? {
                with(
                    "additional-registry-images",
                    settings.commas("additional_registry_images_list")?.into(),
                );
            }
        }
        let files = settings.variables().files().iter().map(|file| {
            let src = self.path(&file.src.display().to_string()).display().to_string();
            let pairs = [
                ("src", src.as_str()),
                ("dest", &file.dest),
                ("owner", &file.owner),
                ("group", &file.group),
                ("mode", &file.mode),
            ];
            Item::Table(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect())
        });
        let files: Vec<Item> = files.collect();
        if !files.is_empty() {
            with("additional-files-list", Item::List(files));
        }
        Ok(())
    }

    fn ecr(&self, with: &mut dyn FnMut(&str, Item)) -> Result<(), CompatError> {
        let settings = self.settings;
        if !settings.is_on("ecr_credential_provider")? {
            return Ok(());
        }
        let Some(sum) = settings.given("ecr_credential_provider_sha256")? else {
            return Err(CompatError::new(
                "the ECR credential provider has no published digest, and is not taken on trust",
            )
            .hint("give its SHA-256 as `ecr_credential_provider_sha256`"));
        };
        with("ecr-credential-provider", true.into());
        with("ecr-credential-provider-digest", digest(&sum).into());
        for (variable, parameter) in [
            ("ecr_credential_provider_version", "ecr-credential-provider-version"),
            ("ecr_credential_provider_base_url", "ecr-credential-provider-base-url"),
            ("ecr_credential_provider_install_dir", "ecr-credential-provider-install-dir"),
            ("ecr_credential_provider_aws_profile", "ecr-credential-provider-aws-profile"),
        ] {
            if let Some(text) = settings.given(variable)? {
                with(parameter, text.into());
            }
        }
        let images = settings.text("ecr_credential_provider_match_images")?.unwrap_or_default();
        let images = images.replace(['[', ']', '\'', '"', ','], " ");
        let images: Vec<&str> = images.split_whitespace().collect();
        if !images.is_empty() {
            with("ecr-credential-provider-match-images", images.into());
        }
        Ok(())
    }
}
