//! The table of calls: method and address in both dialects, and what else differs between them.
use super::op::Op;

pub(super) const LOG_IN: Op = Op::new(("POST", "session"), ("POST", "com/vmware/cis/session"));
pub(super) const LOG_OUT: Op = Op::new(("DELETE", "session"), ("DELETE", "com/vmware/cis/session"));

pub(super) const CATEGORIES: Op =
    Op::new(("GET", "cis/tagging/category"), ("GET", "com/vmware/cis/tagging/category")).reads();
pub(super) const CATEGORY: Op = Op::new(
    ("GET", "cis/tagging/category/{category_id}"),
    ("GET", "com/vmware/cis/tagging/category/id:{category_id}"),
)
.reads();
pub(super) const MAKE_CATEGORY: Op =
    Op::new(("POST", "cis/tagging/category"), ("POST", "com/vmware/cis/tagging/category"))
        .wrapped("create_spec");
pub(super) const REMOVE_CATEGORY: Op = Op::new(
    ("DELETE", "cis/tagging/category/{category_id}"),
    ("DELETE", "com/vmware/cis/tagging/category/id:{category_id}"),
);
pub(super) const TAGS_OF_CATEGORY: Op = Op::new(
    ("POST", "cis/tagging/tag?action=list-tags-for-category"),
    ("POST", "com/vmware/cis/tagging/tag/id:{category_id}?~action=list-tags-for-category"),
)
.reads();
pub(super) const TAG: Op =
    Op::new(("GET", "cis/tagging/tag/{tag_id}"), ("GET", "com/vmware/cis/tagging/tag/id:{tag_id}")).reads();
pub(super) const MAKE_TAG: Op =
    Op::new(("POST", "cis/tagging/tag"), ("POST", "com/vmware/cis/tagging/tag")).wrapped("create_spec");
pub(super) const REMOVE_TAG: Op =
    Op::new(("DELETE", "cis/tagging/tag/{tag_id}"), ("DELETE", "com/vmware/cis/tagging/tag/id:{tag_id}"));
/// Attaching what is attached changes nothing.
pub(super) const ATTACH: Op = Op::new(
    ("POST", "cis/tagging/tag-association/{tag_id}?action=attach"),
    ("POST", "com/vmware/cis/tagging/tag-association/id:{tag_id}?~action=attach"),
)
.reads();
pub(super) const TAGS_OF: Op = Op::new(
    ("POST", "cis/tagging/tag-association?action=list-attached-tags"),
    ("POST", "com/vmware/cis/tagging/tag-association?~action=list-attached-tags"),
)
.reads();
pub(super) const BEARERS: Op = Op::new(
    ("POST", "cis/tagging/tag-association/{tag_id}?action=list-attached-objects"),
    ("POST", "com/vmware/cis/tagging/tag-association/id:{tag_id}?~action=list-attached-objects"),
)
.reads();

pub(super) const LIBRARIES: Op =
    Op::new(("GET", "content/library"), ("GET", "com/vmware/content/library")).reads();
pub(super) const FIND_LIBRARY: Op =
    Op::new(("POST", "content/library?action=find"), ("POST", "com/vmware/content/library?~action=find"))
        .wrapped("spec")
        .reads();
pub(super) const LIBRARY: Op =
    Op::new(("GET", "content/library/{library_id}"), ("GET", "com/vmware/content/library/id:{library_id}"))
        .reads();

pub(super) const FIND_ITEM: Op = Op::new(
    ("POST", "content/library/item?action=find"),
    ("POST", "com/vmware/content/library/item?~action=find"),
)
.wrapped("spec")
.reads();
pub(super) const ITEMS: Op = Op::new(
    ("GET", "content/library/item?library_id={library_id}"),
    ("GET", "com/vmware/content/library/item?library_id={library_id}"),
)
.reads();
pub(super) const ITEM: Op = Op::new(
    ("GET", "content/library/item/{library_item_id}"),
    ("GET", "com/vmware/content/library/item/id:{library_item_id}"),
)
.reads();
pub(super) const MAKE_ITEM: Op =
    Op::new(("POST", "content/library/item"), ("POST", "com/vmware/content/library/item"))
        .wrapped("create_spec");
pub(super) const CHANGE_ITEM: Op = Op::new(
    ("PATCH", "content/library/item/{library_item_id}"),
    ("PATCH", "com/vmware/content/library/item/id:{library_item_id}"),
)
.wrapped("update_spec")
.reads();
pub(super) const REMOVE_ITEM: Op = Op::new(
    ("DELETE", "content/library/item/{library_item_id}"),
    ("DELETE", "com/vmware/content/library/item/id:{library_item_id}"),
);
pub(super) const FILES: Op = Op::new(
    ("GET", "content/library/item/{library_item_id}/file"),
    ("GET", "com/vmware/content/library/item/file?library_item_id={library_item_id}"),
)
.reads();

pub(super) const BEGIN_UPDATE: Op = Op::new(
    ("POST", "content/library/item/update-session"),
    ("POST", "com/vmware/content/library/item/update-session"),
)
.wrapped("create_spec");
pub(super) const UPDATE: Op = Op::new(
    ("GET", "content/library/item/update-session/{update_session_id}"),
    ("GET", "com/vmware/content/library/item/update-session/id:{update_session_id}"),
)
.reads();
pub(super) const KEEP_UPDATE: Op = Op::new(
    ("POST", "content/library/item/update-session/{update_session_id}?action=keep-alive"),
    ("POST", "com/vmware/content/library/item/update-session/id:{update_session_id}?~action=keep-alive"),
)
.reads();
pub(super) const COMPLETE_UPDATE: Op = Op::new(
    ("POST", "content/library/item/update-session/{update_session_id}?action=complete"),
    ("POST", "com/vmware/content/library/item/update-session/id:{update_session_id}?~action=complete"),
)
.copies();
pub(super) const CANCEL_UPDATE: Op = Op::new(
    ("POST", "content/library/item/update-session/{update_session_id}?action=cancel"),
    ("POST", "com/vmware/content/library/item/update-session/id:{update_session_id}?~action=cancel"),
);
pub(super) const END_UPDATE: Op = Op::new(
    ("DELETE", "content/library/item/update-session/{update_session_id}"),
    ("DELETE", "com/vmware/content/library/item/update-session/id:{update_session_id}"),
);
/// A second time it replaces the first.
pub(super) const ADD_FILE: Op = Op::new(
    ("POST", "content/library/item/update-session/{update_session_id}/file"),
    ("POST", "com/vmware/content/library/item/updatesession/file/id:{update_session_id}?~action=add"),
)
.wrapped("file_spec")
.reads();
pub(super) const REMOVE_FILE: Op = Op::new(
    ("DELETE", "content/library/item/update-session/{update_session_id}/file/{file_name}"),
    ("POST", "com/vmware/content/library/item/updatesession/file/id:{update_session_id}?~action=remove"),
);
pub(super) const VALIDATE: Op = Op::new(
    ("POST", "content/library/item/update-session/{update_session_id}/file?action=validate"),
    ("POST", "com/vmware/content/library/item/updatesession/file/id:{update_session_id}?~action=validate"),
)
.reads()
.copies();

pub(super) const BEGIN_DOWNLOAD: Op = Op::new(
    ("POST", "content/library/item/download-session"),
    ("POST", "com/vmware/content/library/item/download-session"),
)
.wrapped("create_spec");
pub(super) const KEEP_DOWNLOAD: Op = Op::new(
    ("POST", "content/library/item/download-session/{download_session_id}?action=keep-alive"),
    ("POST", "com/vmware/content/library/item/download-session/id:{download_session_id}?~action=keep-alive"),
)
.reads();
pub(super) const END_DOWNLOAD: Op = Op::new(
    ("DELETE", "content/library/item/download-session/{download_session_id}"),
    ("DELETE", "com/vmware/content/library/item/download-session/id:{download_session_id}"),
);
pub(super) const PREPARE: Op = Op::new(
    ("POST", "content/library/item/download-session/{download_session_id}/file?action=prepare"),
    ("POST", "com/vmware/content/library/item/downloadsession/file/id:{download_session_id}?~action=prepare"),
)
.reads();
pub(super) const PREPARED: Op = Op::new(
    ("GET", "content/library/item/download-session/{download_session_id}/file?file_name={file_name}"),
    ("POST", "com/vmware/content/library/item/downloadsession/file/id:{download_session_id}?~action=get"),
)
.reads();

pub(super) const CAPTURE_OVF: Op =
    Op::new(("POST", "vcenter/ovf/library-item"), ("POST", "com/vmware/vcenter/ovf/library-item")).copies();
pub(super) const FILTER_OVF: Op = Op::new(
    ("POST", "vcenter/ovf/library-item/{ovf_library_item_id}?action=filter"),
    ("POST", "com/vmware/vcenter/ovf/library-item/id:{ovf_library_item_id}?~action=filter"),
)
.reads();
pub(super) const DEPLOY_OVF: Op = Op::new(
    ("POST", "vcenter/ovf/library-item/{ovf_library_item_id}?action=deploy"),
    ("POST", "com/vmware/vcenter/ovf/library-item/id:{ovf_library_item_id}?~action=deploy"),
)
.maps(&["/deployment_spec/network_mappings"])
.copies();
pub(super) const CAPTURE_TEMPLATE: Op =
    Op::new(("POST", "vcenter/vm-template/library-items"), ("POST", "vcenter/vm-template/library-items"))
        .wrapped("spec")
        .copies();
pub(super) const TEMPLATE: Op = Op::new(
    ("GET", "vcenter/vm-template/library-items/{template_library_item}"),
    ("GET", "vcenter/vm-template/library-items/{template_library_item}"),
)
.reads();
pub(super) const DEPLOY_TEMPLATE: Op = Op::new(
    ("POST", "vcenter/vm-template/library-items/{template_library_item}?action=deploy"),
    ("POST", "vcenter/vm-template/library-items/{template_library_item}?action=deploy"),
)
.wrapped("spec")
.maps(&["/hardware_customization/nics"])
.copies();
