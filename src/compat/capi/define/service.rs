//! The machine and its service: a vCenter, a Prism Central, an Amazon account.
use super::{Document, Group, Item, Make, mebibytes};
use crate::compat::{CompatError, capi::SecretPlace};

impl Make<'_> {
    pub(super) fn vsphere_machine(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        let is_copy = self.group() == Group::OvaVsphereClone;
        body.table("machine");
        body.key("driver", "vsphere");
        body.maybe("cpus", settings.number("cpu")?);
        body.maybe("memory", settings.number("memory")?.map(mebibytes));
        if !is_copy {
            body.maybe("disk", settings.number("disk_size")?.map(mebibytes));
            body.key("firmware", if self.is_efi()? { "efi" } else { "bios" });
        }
        body.table("machine.vsphere");
        body.maybe("cores-per-socket", settings.number("cpu_cores")?);
        body.maybe("ip-settle", settings.text("ip_settle_timeout")?);
        if !is_copy {
            body.maybe("hardware-version", settings.number("vmx_version")?);
            body.maybe("guest-os", settings.text("vsphere_guest_os_type")?);
            body.maybe(
                "controller",
                self.one_of(
                    "disk_controller_type",
                    &[
                        ("pvscsi", "pvscsi"),
                        ("lsilogic", "lsilogic"),
                        ("lsilogic-sas", "lsilogic"),
                        ("nvme", "nvme"),
                        ("scsi", "lsilogic"),
                    ],
                )?,
            );
            body.maybe("nic", self.one_of("network_card", &[("vmxnet3", "vmxnet3"), ("e1000e", "e1000e")])?);
            body.maybe("cd-bus", self.one_of("cdrom_type", &[("ide", "ide"), ("sata", "sata")])?);
            let thin = settings.flag("disk_thin_provisioned")?;
            body.maybe("provisioning", thin.map(|thin| if thin { "thin" } else { "thick" }));
        }
        body.table("guest");
        // A copy has no installer before its login.
        let login = if is_copy { settings.given("ssh_timeout")? } else { None };
        body.maybe("connect-timeout", login.or(settings.text("ip_wait_timeout")?));
        Ok(())
    }

    /// A variable with one of some values, in goldsmith's words.
    fn one_of(
        &self,
        name: &str,
        values: &[(&'static str, &'static str)],
    ) -> Result<Option<&'static str>, CompatError> {
        let Some(text) = self.settings.text(name)? else { return Ok(None) };
        if let Some((_, ours)) = values.iter().find(|(theirs, _)| *theirs == text) {
            return Ok(Some(ours));
        }
        let names: Vec<String> = values.iter().map(|(theirs, _)| format!("`{theirs}`")).collect();
        Err(self.settings.wrong(name, &format!("`{text}` is none of {}", names.join(", "))))
    }

    /// The table of the service that it is built in.
    pub(super) fn service(&self, body: &mut Document) -> Result<(), CompatError> {
        match self.group() {
            Group::OvaVsphere | Group::OvaVsphereClone => self.vsphere(body),
            Group::Nutanix => self.nutanix(body),
            Group::Ami => self.amazon(body),
            Group::Qemu | Group::Kubevirt | Group::Raw | Group::OvaLocal => Ok(()),
        }
    }

    fn vsphere(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        body.table("vsphere");
        body.maybe("server", settings.text("vcenter_server")?);
        body.maybe("user", settings.text("username")?);
        body.maybe("password", self.secret("password"));
        if settings.is_on("insecure_connection")? {
            body.key("insecure", true);
        }
        for (key, variable) in [
            ("datacenter", "datacenter"),
            ("cluster", "cluster"),
            ("host", "host"),
            ("resource-pool", "resource_pool"),
            ("folder", "folder"),
            ("datastore", "datastore"),
            ("network", "network"),
        ] {
            body.maybe(key, settings.text(variable)?);
        }
        Ok(())
    }

    pub(super) fn nutanix_machine(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        body.table("machine");
        body.key("driver", "nutanix");
        body.maybe("cpus", settings.number("cpus")?);
        body.maybe("memory", settings.number("memory")?.map(mebibytes));
        let gib = match settings.given("image_size_gb")? {
            Some(_) => settings.number("image_size_gb")?,
            None => settings.number("disk_size_gb")?,
        };
        body.key("disk", mebibytes(gib.unwrap_or(10) * 1024));
        let efi = match settings.text("boot_type")?.as_deref() {
            None | Some("legacy") => false,
            Some("uefi") => true,
            Some("secure_boot") => {
                body.key("firmware", "efi");
                body.key("nutanix.secure-boot", true);
                return Ok(());
            }
            Some(other) => {
                let why = format!("`{other}` is none of `legacy`, `uefi` and `secure_boot`");
                return Err(settings.wrong("boot_type", &why));
            }
        };
        body.key("firmware", if efi || self.is_efi()? { "efi" } else { "bios" });
        Ok(())
    }

    fn nutanix(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        body.table("nutanix");
        body.maybe("endpoint", settings.text("nutanix_endpoint")?);
        body.maybe("port", settings.number("nutanix_port")?);
        body.maybe("user", settings.text("nutanix_username")?);
        let password = self.secret("nutanix_password").or_else(|| {
            // image-builder's own default.
            settings.env("NUTANIX_PASSWORD")?;
            Some(self.add_secret("nutanix_password", SecretPlace::Env("NUTANIX_PASSWORD".to_owned())))
        });
        body.maybe("password", password);
        if settings.is_on("nutanix_insecure")? {
            body.key("insecure", true);
        }
        let cluster = match settings.text("nutanix_cluster_uuid")? {
            Some(uuid) => Some(uuid),
            None => settings.text("nutanix_cluster_name")?,
        };
        body.maybe("cluster", cluster);
        body.maybe("subnet", settings.text("nutanix_subnet_name")?);
        Ok(())
    }

    pub(super) fn instance(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        body.table("machine");
        body.key("driver", "ec2");
        body.table("machine.ec2");
        body.maybe("instance-types", settings.text("builder_instance_type")?.map(|kind| vec![kind]));
        body.maybe("subnet", settings.text("subnet_id")?);
        body.maybe("vpc", settings.text("vpc_id")?);
        body.maybe("instance-profile", settings.text("iam_instance_profile")?);
        for (key, variable) in [
            ("security-groups", "aws_security_group_ids"),
            ("ssh-from", "temporary_security_group_source_cidrs"),
        ] {
            let list = settings.commas(variable)?;
            body.maybe(key, (!list.is_empty()).then_some(list));
        }
        // Ignition's for Flatcar is goldsmith's own; a file of the user's goes beside it.
        body.maybe(
            "user-data",
            settings.given("user_data_file")?.map(|file| self.path(&file).display().to_string()),
        );
        if settings.text("http_tokens")?.as_deref() == Some("optional") {
            body.key("imds-v2", false);
        }
        body.maybe("imds-hop-limit", settings.number("http_put_response_hop_limit")?);
        let kind = settings.needed("volume_type")?;
        let mut root = vec![
            ("size".to_owned(), Item::Text(format!("{}GiB", settings.number("volume_size")?.unwrap_or(8)))),
            ("type".to_owned(), Item::Text(kind.clone())),
        ];
        // Only some kinds take them, and image-builder says both for all.
        let (iops, throughput) = (settings.number("iops")?, settings.number("throughput")?);
        if let Some(iops) = iops.filter(|_| matches!(kind.as_str(), "gp3" | "io1" | "io2")) {
            root.push(("iops".to_owned(), iops.into()));
        }
        if let Some(throughput) = throughput.filter(|_| kind == "gp3") {
            root.push(("throughput".to_owned(), throughput.into()));
        }
        body.key("root", Item::Table(root));
        Ok(())
    }

    fn amazon(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        for name in ["aws_access_key", "aws_secret_key", "aws_session_token"] {
            if settings.secret(name).is_some() || settings.text(name)?.is_some() {
                return Err(CompatError::new(format!("`{name}` (from {}) is not read from variables", settings.from(name)))
                    .hint("set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or name a profile with `aws_profile`"));
            }
        }
        body.table("aws");
        body.maybe("profile", settings.text("aws_profile")?);
        body.maybe("region", settings.text("aws_region")?);
        Ok(())
    }
}
