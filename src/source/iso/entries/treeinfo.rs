//! `.treeinfo`, which media of the Red Hat family have at their top.
use super::{BootEntry, absolute};
use std::collections::BTreeMap;

/// What it says of the product and of its kernel.
#[derive(Debug, Default)]
pub(crate) struct TreeInfo {
    sections: BTreeMap<String, BTreeMap<String, String>>,
}

impl TreeInfo {
    pub(crate) const PATH: &str = "/.treeinfo";

    pub(crate) fn parse(text: &str) -> Self {
        let mut info = Self::default();
        let mut section = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if !line.starts_with([';', '#'])
                && let Some((key, value)) = line.split_once('=')
            {
                let keys = info.sections.entry(section.clone()).or_default();
                keys.insert(key.trim().to_owned(), value.trim().to_owned());
            }
        }
        info
    }

    fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.sections.get(section)?.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The product: `Rocky Linux`.
    pub(crate) fn name(&self) -> Option<&str> {
        self.get("release", "name").or_else(|| self.get("general", "family"))
    }

    pub(crate) fn version(&self) -> Option<&str> {
        self.get("release", "version").or_else(|| self.get("general", "version"))
    }

    /// Kernel and initrd of the tree's architecture. Anaconda is told where its second stage is; `label` is the volume's.
    pub(crate) fn entry(&self, label: &str) -> Option<BootEntry> {
        let arch = self.get("tree", "arch").or_else(|| self.get("general", "arch")).unwrap_or("x86_64");
        let images = format!("images-{arch}");
        Some(BootEntry {
            title: format!(
                "Install {} {}",
                self.name().unwrap_or_default(),
                self.version().unwrap_or_default()
            ),
            kernel: absolute("", self.get(&images, "kernel")?),
            initrd: vec![absolute("", self.get(&images, "initrd")?)],
            arguments: vec![stage2(label)],
            from: Self::PATH.to_owned(),
        })
    }
}

/// Where Anaconda finds its second stage: on the volume of this label, whose blanks are written as udev does.
pub(crate) fn stage2(label: &str) -> String {
    format!("inst.stage2=hd:LABEL={}", label.replace(' ', "\\x20"))
}
