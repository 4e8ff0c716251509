//! `[source]`: an installer's medium, a disk image, an image of a Prism Central, an AMI.
use super::{Document, Group, Item, Make, System, Variant};
use crate::compat::CompatError;

/// How a file is recognised.
enum Recognised {
    /// Its digest, with the algorithm.
    Digest(String),
    /// An address with a list of digests.
    Listed(String),
    /// Not at all.
    Trusted,
}

impl Make<'_> {
    pub(super) fn source(&self, body: &mut Document) -> Result<(), CompatError> {
        match self.group() {
            Group::OvaVsphereClone => self.copy(body),
            Group::Ami => self.ami_source(body),
            Group::Nutanix => self.nutanix_source(body),
            _ if self.target.variant() == Variant::CloudImage => self.disk(body),
            _ => self.medium(body),
        }
    }

    fn medium(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        body.table("source.iso");
        self.place(body, "checksums")?;
        if settings.text("boot_disable_ipv6")?.as_deref() == Some("1") {
            body.key("arguments", vec!["ipv6.disable=1"]);
        }
        // For Packer it is the time from power-on to a login, in which the installer runs.
        body.maybe("timeout", settings.given("ssh_timeout")?);
        body.table("source.iso.install");
        body.maybe("system", self.target.system().installs());
        self.layout(body)?;
        // The installer has packages to fetch as well.
        body.maybe("proxy", settings.given("http_proxy")?);
        Ok(())
    }

    /// Where EKS Anywhere's partitions are others than upstream's, which are the usual.
    fn layout(&self, body: &mut Document) -> Result<(), CompatError> {
        if self.eks.is_none() {
            return Ok(());
        }
        match (self.target.system(), self.group(), self.is_efi()?) {
            (System::Ubuntu(_), Group::OvaVsphere | Group::OvaLocal, _) => body.key("filesystem", "ext4"),
            (System::Rhel(_), Group::OvaVsphere | Group::OvaLocal, false) => {
                body.key("layout", "root");
                body.key("filesystem", "ext4");
            }
            (System::Rhel(_), Group::Raw, true) => {
                body.key("layout", "root-efi");
                body.key("esp", "260MiB");
                body.key("filesystem", "ext4");
            }
            _ => {}
        }
        Ok(())
    }

    fn disk(&self, body: &mut Document) -> Result<(), CompatError> {
        body.table("source.disk");
        self.place(body, "checksums")
    }

    /// `url` or `path`, and how it is recognised. `checksums` is the key for a list of digests.
    fn place(&self, body: &mut Document, checksums: &str) -> Result<(), CompatError> {
        let url = self.settings.needed("iso_url")?;
        if url.starts_with("http://") || url.starts_with("https://") {
            body.key("url", url.as_str());
        } else if url.contains("://") && !url.starts_with("file://") {
            return Err(self.settings.wrong("iso_url", "goldsmith downloads by http and https"));
        } else {
            body.key("path", self.path(&url).display().to_string());
        }
        match self.recognised(&url)? {
            Recognised::Digest(digest) => body.key("digest", digest),
            Recognised::Listed(list) => body.key(checksums, list),
            Recognised::Trusted => {}
        }
        Ok(())
    }

    fn recognised(&self, url: &str) -> Result<Recognised, CompatError> {
        let settings = self.settings;
        let own = settings.given("iso_url")?.is_some();
        // The digest of image-builder's own medium says nothing about another one.
        let checksum = if own { settings.given("iso_checksum")? } else { settings.text("iso_checksum")? };
        let kind =
            if own { settings.given("iso_checksum_type")? } else { settings.text("iso_checksum_type")? };
        let Some(checksum) = checksum else {
            if url.starts_with("http") {
                return Err(CompatError::new(
                    "`iso_url` is another medium than image-builder's, so `iso_checksum` is needed",
                )
                .hint("write its SHA-256 or SHA-512, or the address of a list that has it"));
            }
            return Ok(Recognised::Trusted);
        };
        let kind = kind.map(|kind| kind.to_ascii_lowercase());
        let (kind, checksum) = match checksum.split_once(':') {
            Some((kind @ ("sha256" | "sha512" | "md5" | "sha1" | "file" | "none"), rest)) => {
                (Some(kind.to_owned()), rest.to_owned())
            }
            _ => (kind, checksum),
        };
        if checksum.contains("://") {
            return Ok(Recognised::Listed(checksum));
        }
        match (kind.as_deref(), checksum.len()) {
            (Some("none"), _) if !url.starts_with("http") => Ok(Recognised::Trusted),
            (Some("sha256") | None, 64) => Ok(Recognised::Digest(format!("sha256:{checksum}"))),
            (Some("sha512") | None, 128) => Ok(Recognised::Digest(format!("sha512:{checksum}"))),
            (Some(kind @ ("md5" | "sha1" | "none")), _) => Err(settings.wrong(
                "iso_checksum",
                &format!("a download is recognised by SHA-256 or SHA-512, not by `{kind}`"),
            )),
            _ => Err(settings.wrong(
                "iso_checksum",
                "it is neither a SHA-256 nor a SHA-512 in hexadecimal, nor an address",
            )),
        }
    }

    fn copy(&self, body: &mut Document) -> Result<(), CompatError> {
        body.table("source.vsphere");
        body.key("clone", self.settings.needed("template")?);
        // As for Packer's plugin: a linked copy is one of the current snapshot.
        if self.settings.is_on("linked_clone")? {
            body.key("linked", true);
        }
        Ok(())
    }

    fn nutanix_source(&self, body: &mut Document) -> Result<(), CompatError> {
        body.table("source.nutanix");
        let Some(url) = self
            .settings
            .text("image_url")?
            .or_else(|| self.settings.env("RHEL_IMAGE_URL").map(str::to_owned))
        else {
            return Err(CompatError::new(format!("`{}` needs the variable `image_url`", self.target))
                .hint("it is the address of a cloud image that the Prism Central can fetch"));
        };
        if url.starts_with("http://") || url.starts_with("https://") {
            body.key("url", url);
        } else {
            // What is no address is the name of an image that is there.
            body.key("image", url);
        }
        Ok(())
    }

    fn ami_source(&self, body: &mut Document) -> Result<(), CompatError> {
        let settings = self.settings;
        body.table("source.ami");
        if let Some(id) = settings.text("source_ami")? {
            body.key("id", id);
            return Ok(());
        }
        // image-builder asks at each call of make what `current` is; the newest AMI of the channel is the same.
        let name = settings.needed("ami_filter_name")?.replace("*current*", "*");
        body.key("name", name);
        let owners: Vec<Item> = settings.commas("ami_filter_owners")?.into_iter().map(Item::Text).collect();
        if owners.is_empty() {
            return Err(CompatError::new(
                "`ami_filter_owners` is needed: anybody may publish an AMI of any name",
            ));
        }
        body.key("owners", Item::List(owners));
        body.key("most-recent", true);
        Ok(())
    }
}
