//! Where an image may be published.
#[cfg(feature = "aws")]
use super::PublishAmi;
use super::{PublishCloudStack, PublishNutanix, PublishVsphere, examples};
use clap::Subcommand;

/// Where the image is made.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Publish {
    /// Upload a disk as an EBS snapshot, and register it as an AMI
    #[cfg(feature = "aws")]
    #[command(
        long_about = "Upload a disk as an EBS snapshot, and register it as an AMI.\n\n\
            The disk is read once, in whatever format `convert` reads, and sent block by block; holes are not sent. Neither a bucket \
            nor an import is needed. An upload that was interrupted, by a signal, an error or a crash, is kept: the same command goes \
            on with it, and `goldsmith gc` removes it.",
        after_help = examples(&[
            ("goldsmith publish ami web.qcow2 --name web-1 --region eu-west-1", "an AMI of a disk"),
            ("goldsmith publish ami web.raw.gz --name web-1 --encrypted", "encrypted with the account's own key"),
            ("goldsmith publish ami web.qcow2 --name web-2 --parent ami-0123456789abcdef0", "only what changed since then"),
            ("goldsmith publish ami web.ova --name web-1 --tag team=web --json | tail -1 | jq -r .id", "for scripts"),
        ]),
    )]
    Ami(Box<PublishAmi>),
    /// Import an OVA into a vCenter, as a template, a machine or an item of a content library
    #[command(
        long_about = "Import an OVA into a vCenter, as a template, a machine or an item of a content library.\n\n\
            The disks are streamed straight out of the archive, all at once, and compared with its manifest on the way; a disk whose \
            connection is cut is begun again. What was made is removed if anything fails, or by `goldsmith gc`. An existing machine of \
            the name is never touched, unless it was published before and `--replace` is said. With `--library`, the files of the archive \
            become an OVF package in a content library, or the next version of one.\n\n\
            Server, user and password also come from VSPHERE_SERVER, VSPHERE_USER and VSPHERE_PASSWORD, or from govc's GOVC_URL, \
            GOVC_USERNAME, GOVC_PASSWORD and GOVC_INSECURE.",
        after_help = examples(&[
            ("goldsmith publish vsphere node.ova --network 'VM Network'", "a machine, by the environment's names"),
            ("goldsmith publish vsphere node.ova --config vsphere.json", "by the file of EKS Anywhere"),
            ("goldsmith publish vsphere node.ova --template --replace", "in place of an older one"),
            ("goldsmith publish vsphere node.ova --library images --new-version", "new content for an item of a library"),
            ("goldsmith publish vsphere node.ova --json | tail -1 | jq .machine", "for scripts"),
        ]),
    )]
    Vsphere(Box<PublishVsphere>),
    /// Upload a disk to a cloud that CloudStack manages, as a template
    #[command(
        name = "cloudstack",
        long_about = "Upload a disk to a cloud that CloudStack manages, as a template.\n\n\
            A QCOW2 (for KVM), an OVA (VMware) or a VHD (XenServer, Hyper-V) is sent to the cloud's storage VM, which compares its SHA-256; \
            an upload that is cut begins again. With `--url`, the cloud fetches the image itself. The command ends when the template is ready \
            in all zones. What was made is removed if anything fails, or by `goldsmith gc`. An existing template of the name is never touched, \
            unless it was published before and `--replace` is said.\n\n\
            Address and keys come from CLOUDSTACK_ENDPOINT, CLOUDSTACK_KEY and CLOUDSTACK_SECRET (or CLOUDSTACK_API_URL, CLOUDSTACK_API_KEY and \
            CLOUDSTACK_SECRET_KEY), or from a section of ~/.cloudstack.ini.",
        after_help = examples(&[
            ("goldsmith publish cloudstack node.qcow2 --zone zone1", "a template, by the environment's keys"),
            ("goldsmith publish cloudstack node.qcow2 --region lab --zone a --zone b", "by a section of ~/.cloudstack.ini, in two zones"),
            ("goldsmith publish cloudstack node.qcow2 --name rhel-9 --os-type 'Red Hat Enterprise Linux 9' --replace", "in place of an older one"),
            ("goldsmith publish cloudstack --url https://images.example.com/node.qcow2 --name node-1", "fetched by the cloud"),
            ("goldsmith publish cloudstack node.qcow2 --json | tail -1 | jq -r .id", "for scripts"),
        ]),
    )]
    CloudStack(Box<PublishCloudStack>),
    /// Upload a disk to a Prism Central of Nutanix's, as an image
    #[command(
        long_about = "Upload a disk to a Prism Central of Nutanix's, as an image.\n\n\
            The file is sent as it is, qcow2 or raw, and compared by its SHA-256. With version 4 of the interface it goes in parts, of \
            which one whose connection is cut is sent again alone; with version 3 it begins again. An image of the name with the same \
            bytes is used as it is; another one is never touched, unless it was published before and `--replace` is said. What was made \
            is removed if anything fails, or by `goldsmith gc`.\n\n\
            Server, user and password also come from NUTANIX_ENDPOINT, NUTANIX_PORT, NUTANIX_USER and NUTANIX_PASSWORD.",
        after_help = examples(&[
            ("goldsmith publish nutanix node.qcow2 --cluster PE-cluster", "by the environment's names"),
            ("goldsmith publish nutanix node.qcow2 --config nutanix.json --replace", "by the file of EKS Anywhere"),
            ("goldsmith publish nutanix --url https://example.com/node.qcow2 --name node", "the cluster fetches it"),
            ("goldsmith publish nutanix node.qcow2 --json | tail -1 | jq -r .uuid", "for scripts"),
        ]),
    )]
    Nutanix(Box<PublishNutanix>),
}
