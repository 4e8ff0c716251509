//! The environment variables that goldsmith reads: one table, shown by `--help`.

/// One variable.
pub(super) struct Variable {
    /// Its name.
    pub(super) name: &'static str,
    /// What it does, with the default.
    pub(super) help: &'static str,
}

/// All of them, in the order of the help.
pub(super) const VARIABLES: &[Variable] = &[
    Variable { name: "GOLDSMITH_STATE_DIR", help: "journals and logs [default: ~/.local/state/goldsmith]" },
    Variable { name: "GOLDSMITH_CACHE_DIR", help: "downloads, by digest [default: ~/.cache/goldsmith]" },
    Variable {
        name: "GOLDSMITH_WORK_DIR",
        help: "disks of running builds [default: the cache folder's `work`]",
    },
    Variable {
        name: "GOLDSMITH_VAR_NAME",
        help: "the variable NAME of the definitions; `--var` wins over it",
    },
    Variable { name: "GOLDSMITH_WEBHOOK", help: "webhook that `ami copy` tells what it did" },
    Variable { name: "GITHUB_STEP_SUMMARY", help: "file to which `ami copy` adds a summary when set" },
    Variable { name: "VSPHERE_SERVER", help: "the vCenter; also VSPHERE_USER and VSPHERE_PASSWORD" },
    Variable {
        name: "GOVC_URL",
        help: "the same as govc knows it; also GOVC_USERNAME, GOVC_PASSWORD and GOVC_INSECURE",
    },
    Variable {
        name: "CLOUDSTACK_ENDPOINT",
        help: "the cloud; also CLOUDSTACK_KEY and CLOUDSTACK_SECRET, or CLOUDSTACK_API_URL, CLOUDSTACK_API_KEY and CLOUDSTACK_SECRET_KEY",
    },
    Variable {
        name: "CLOUDSTACK_REGION",
        help: "section of ~/.cloudstack.ini; CLOUDSTACK_CONFIG names another file",
    },
    Variable {
        name: "EKSA_RELEASE_VERSION",
        help: "the release of EKS Anywhere; also EKSA_USE_DEV_RELEASE and BRANCH_NAME",
    },
    Variable {
        name: "EKSA_RELEASE_MANIFEST_URL",
        help: "where its manifest is; also EKSA_BUNDLE_MANIFEST_URL and EKSD_MANIFEST_URL",
    },
    Variable {
        name: "PACKER_VAR_FILES",
        help: "var files for `capi`; also PACKER_FLAGS, ON_ERROR_ASK, DEBUG, IB_VERSION, OVF_CUSTOM_PROPERTIES, FLATCAR_CHANNEL and FLATCAR_VERSION",
    },
    Variable {
        name: "NO_COLOR",
        help: "no colours when set; CLICOLOR=0 does the same, CLICOLOR_FORCE=1 the opposite",
    },
    Variable { name: "TMPDIR", help: "where `convert` unpacks what it cannot convert as it comes" },
    Variable { name: "CI", help: "plain progress lines instead of live ones when set" },
    Variable { name: "http_proxy", help: "proxy for downloads; also https_proxy, all_proxy and no_proxy" },
];
