//! `[[output]]`: what is delivered, where image-builder would put it.
use super::{Document, Group, Item, Make};
use crate::compat::{CompatError, capi::manifest::Publication};

impl Make<'_> {
    pub(super) fn outputs(&self, body: &mut Document) -> Result<(), CompatError> {
        match self.group() {
            Group::Qemu | Group::Kubevirt => self.qcow2(body),
            Group::Raw => self.packed(body),
            Group::OvaLocal => self.ova(body),
            Group::OvaVsphere | Group::OvaVsphereClone => {
                self.ova(body)?;
                self.kept(body)
            }
            Group::Nutanix => self.image(body),
            Group::Ami => self.ami(body),
        }
    }

    /// The file of EKS Anywhere's result, which lies in the folder itself.
    fn eks_file(&self, extension: &str) -> Option<String> {
        let eks = self.eks?;
        Some(self.folder.join(format!("{}.{extension}", eks.name)).display().to_string())
    }

    fn qcow2(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        body.entry("output");
        let raw = match settings.text("format")?.as_deref() {
            None | Some("qcow2") => false,
            Some("raw") => true,
            Some(other) => {
                return Err(settings.wrong("format", &format!("`{other}` is neither `qcow2` nor `raw`")));
            }
        };
        body.key("format", if raw { "raw" } else { "qcow2" });
        let _ = settings.text("artifact_name")?;
        let path = if let Some(path) = self.eks_file("qcow2") {
            path
        } else {
            let folder = self.path(&settings.needed("output_directory")?);
            folder.join(settings.needed("vm_name")?).display().to_string()
        };
        body.key("path", path);
        if !raw && settings.is_on("disk_compression")? {
            body.key("compression", "zlib");
        }
        Ok(())
    }

    fn packed(&self, body: &mut Document) -> Result<(), CompatError> {
        body.entry("output");
        body.key("format", "raw.gz");
        let path = if let Some(path) = self.eks_file("gz") {
            path
        } else {
            let name = self.settings.needed("build_version")?;
            self.path("output").join(format!("{name}.gz")).display().to_string()
        };
        body.key("path", path);
        Ok(())
    }

    fn ova(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        let version = settings.needed("kubernetes_typed_version")?;
        let build = settings.needed("build_name")?;
        body.entry("output");
        body.key("format", "ova");
        let path = if let Some(path) = self.eks_file("ova") {
            path
        } else {
            let folder = self.path(&settings.needed("output_dir")?);
            folder.join(format!("{build}-{version}.ova")).display().to_string()
        };
        body.key("path", path);
        body.table("output.ova");
        body.maybe("guest-os", settings.text("vsphere_guest_os_type")?);
        body.maybe("hardware-version", settings.number("vmx_version")?);
        let system = settings.text("os_display_name")?.unwrap_or_else(|| build.clone());
        let product = format!("{system} and Kubernetes {}", settings.needed("kubernetes_semver")?);
        body.key("networks", vec!["nic0"]);
        body.key("product", product.as_str());
        body.key("vendor", if self.eks.is_some() { "AWS" } else { "VMware Inc." });
        body.key("version", version);
        let origin = "https://github.com/kubernetes-sigs/cluster-api-provider-vsphere";
        body.key("annotation", format!("Cluster API vSphere image - {product} - {origin}"));
        let started = settings.variables().started();
        let mut properties: Vec<(String, Item)> = vec![
            ("BUILD_TIMESTAMP".into(), settings.needed("build_timestamp")?.into()),
            ("BUILD_DATE".into(), started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()),
        ];
        if let Some(version) = settings.text("ib_version")? {
            properties.push(("IMAGE_BUILDER_VERSION".into(), version.into()));
        }
        for (key, variable) in [
            ("DISTRO_NAME", "distro_name"),
            ("DISTRO_VERSION", "distro_version"),
            ("DISTRO_ARCH", "distro_arch"),
            ("CNI_VERSION", "kubernetes_cni_semver"),
            ("CONTAINERD_VERSION", "containerd_version"),
            ("KUBERNETES_SEMVER", "kubernetes_semver"),
            ("KUBERNETES_SOURCE_TYPE", "kubernetes_source_type"),
        ] {
            if let Some(text) = settings.text(variable)? {
                properties.push((key.into(), text.into()));
            }
        }
        if let Some(eks) = self.eks {
            properties.push(("EKS_DISTRO_VERSION".into(), eks.eksd_name.as_str().into()));
        }
        for (key, value) in settings.variables().properties() {
            properties.retain(|(known, _)| known != key);
            properties.push((key.clone(), value.as_str().into()));
        }
        body.table("output.ova.properties");
        for (key, value) in properties {
            body.quoted_key(&key, value);
        }
        Ok(())
    }

    /// What stays in the vCenter.
    fn kept(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        let is_copy = self.group() == Group::OvaVsphereClone;
        let template = settings.is_on("convert_to_template")?;
        // Packer's plugin knows it for installed machines only.
        if !is_copy && settings.is_on("destroy")? && !template {
            let _ = settings.flag("create_snapshot")?;
            return Ok(());
        }
        body.entry("output");
        body.key("format", "vsphere");
        body.table("output.vsphere");
        body.key("name", self.name()?);
        body.key("as", if template { "template" } else { "machine" });
        if settings.is_on("create_snapshot")? && is_copy {
            body.key("snapshot", "Created By Packer");
        }
        if self.replaces() {
            body.key("replace", true);
        }
        Ok(())
    }

    /// Whether what is there already is replaced.
    fn replaces(&self) -> bool {
        self.eks.is_some() || self.settings.variables().is_forced()
    }

    fn image(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        let name = settings.needed("image_name")?;
        let export = settings.is_on("image_export")?;
        if settings.is_on("image_delete")? {
            if !export {
                return Err(CompatError::new(
                    "with `image_delete` and without `image_export`, nothing of the build would be left",
                )
                .hint("set `image_export` to \"true\", or `image_delete` to \"false\""));
            }
        } else {
            body.entry("output");
            body.key("format", "nutanix");
            body.table("output.nutanix");
            body.key("name", name.as_str());
            body.key("description", "kube image-builder");
            if self.replaces() || settings.is_on("force_deregister")? {
                body.key("replace", true);
            }
        }
        if export {
            body.entry("output");
            body.key("format", "raw");
            let own = || self.path(&format!("{name}.img")).display().to_string();
            body.key("path", self.eks_file("img").unwrap_or_else(own));
        }
        Ok(())
    }

    fn ami(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        if settings.is_on("skip_create_ami")? {
            return Err(CompatError::new("with `skip_create_ami`, nothing of the build would be left").hint(
                format!("`goldsmith capi validate-{}` looks at everything without building", self.target),
            ));
        }
        let cleaned = |text: &str| -> String {
            let right = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
            text.chars().map(|c| if right(c) { c } else { '-' }).collect()
        };
        let name = cleaned(&settings.needed("image_name")?);
        body.entry("output");
        body.key("format", "ami");
        body.table("output.ami");
        body.key("name", name.as_str());
        body.maybe("description", settings.text("ami_description")?);
        if settings.is_on("encrypted")? {
            body.key("encrypted", true);
        }
        body.maybe("kms-key", settings.text("kms_key_id")?);
        let _ = settings.text("root_device_name")?;
        let mut tags: Vec<(&str, Option<String>)> = vec![("Name", Some(name))];
        for (tag, variable) in [
            ("arch", "arch"),
            ("build_timestamp", "build_timestamp"),
            ("containerd_version", "containerd_version"),
            ("distribution", "distribution"),
            ("distribution_release", "distribution_release"),
            ("distribution_version", "distribution_version"),
            ("image_builder_version", "ib_version"),
            ("kubernetes_cni_version", "kubernetes_cni_semver"),
            ("kubernetes_version", "kubernetes_semver"),
            ("source_ami", "source_ami"),
        ] {
            tags.push((tag, settings.text(variable)?));
        }
        let date = settings.variables().started().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        tags.push(("build_date", Some(date)));
        body.table("output.ami.tags");
        for (tag, value) in tags {
            if let Some(value) = value {
                body.quoted_key(tag, value);
            }
        }
        self.published()
    }

    /// What image-builder does with an AMI after it is made, which a definition does not say.
    fn published(&self) -> Result<(), CompatError> {
        let _ = self.settings.text("manifest_output")?;
        let Some(wish) = Publication::of(self.settings)? else { return Ok(()) };
        // Who makes the AMI by this definition alone has the rest to do.
        let others = match wish.regions.len() {
            0 | 1 => String::new(),
            _ => format!(" copied to {}", wish.regions.join(",")),
        };
        let readers = match (wish.public, wish.accounts.as_slice()) {
            (true, _) => " made public (`ami_groups`)".to_owned(),
            (false, []) => String::new(),
            (false, accounts) => format!(" shared with {}", accounts.join(",")),
        };
        let both = if others.is_empty() || readers.is_empty() { "" } else { " and" };
        self.note(format!(
            "the AMI is, when it is proved,{others}{both}{readers}; `goldsmith ami copy` does that"
        ));
        Ok(())
    }
}
