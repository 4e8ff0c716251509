//! Tags: found or made, attached, and gone with a build that failed; in both dialects.
use super::{
    checks::assert_requests_valid,
    libraries::{Bench, mark},
    world::told,
};
use crate::context::cx;
use goldsmith::vsphere::VsphereErrorKind;
use serde_json::json;

const OF: &[&str] = &["VirtualMachine"];

#[tokio::test]
async fn tags_are_made_once_and_one_of_a_category_is_attached() {
    for api in [false, true] {
        let bench = Bench::start(api, &["-vm", "1"]).await;
        let (vcenter, first, second) = (&bench.vcenter, cx(), cx());
        let made = vcenter.tag(&first, &mark(&first), "os", "os:ubuntu", OF).await.unwrap();
        let again = vcenter.tag(&second, &mark(&second), "os", "os:ubuntu", OF).await.unwrap();
        assert_eq!((&made, made.category.as_str(), made.name.as_str()), (&again, "os", "os:ubuntu"));
        assert_eq!((first.undo().owed().len(), second.undo().owed().len()), (2, 0));

        let machine = bench.machine().await;
        assert!(vcenter.attach(&made, &machine).await.unwrap());
        assert!(!vcenter.attach(&made, &machine).await.unwrap());
        let release = vcenter
            .tag(&first, &mark(&first), "eksdRelease", "eksdRelease:kubernetes-1-31-eks-47", OF)
            .await
            .unwrap();
        vcenter.attach(&release, &machine).await.unwrap();
        let names: Vec<String> =
            vcenter.tags_of(&machine).await.unwrap().into_iter().map(|tag| tag.name).collect();
        assert_eq!(names, ["eksdRelease:kubernetes-1-31-eks-47", "os:ubuntu"]);

        let other = vcenter.tag(&second, &mark(&second), "os", "os:rhel", OF).await.unwrap();
        let error = vcenter.attach(&other, &machine).await.unwrap_err();
        assert_eq!(error.kind(), VsphereErrorKind::Usage);
        assert!(told(&error).contains("it bears `os:ubuntu` already"), "{}", told(&error));
        let item = ["com.vmware.content.library.Item"];
        let error = vcenter.tag(&second, &mark(&second), "os", "os:rhel", &item).await.unwrap_err();
        assert!(told(&error).contains("they are for: VirtualMachine"), "{}", told(&error));

        // What is borne stays, what is another build's too, and so does a category with tags in it.
        bench.undo(&second).await;
        bench.undo(&first).await;
        assert_eq!(vcenter.tags_of(&machine).await.unwrap().len(), 2);
        let third = cx();
        vcenter.tag(&third, &mark(&third), "os", "os:ubuntu", OF).await.unwrap();
        vcenter.tag(&third, &mark(&third), "os", "os:rhel", OF).await.unwrap();
        assert_eq!(third.undo().owed().len(), 1, "os:rhel was removed with the second build");
        vcenter.log_out().await.unwrap();
        bench.settled().await;
        assert_eq!(bench.calls("DELETE", if api { "session" } else { "cis/session" }), 1);
        assert_requests_valid(&bench.vcsim);
    }
}

#[tokio::test]
async fn a_build_that_failed_leaves_no_tag_and_no_category_also_when_an_answer_was_lost() {
    for api in [false, true] {
        let bench = Bench::start(api, &[]).await;
        let (vcenter, cx) = (&bench.vcenter, cx());
        // The first call below this address asks for a category's tags.
        bench.trouble("POST", "cis/tagging/tag", json!({ "lose_answer": true, "after": 1 }));
        let error = vcenter.tag(&cx, &mark(&cx), "os", "os:ubuntu", OF).await.unwrap_err();
        assert_eq!(error.kind(), VsphereErrorKind::Unavailable, "{}", told(&error));
        assert_eq!(cx.undo().owed().len(), 2);
        bench.undo(&cx).await;
        bench.undo(&cx).await;
        let after = self::cx();
        vcenter.tag(&after, &mark(&after), "os", "os:ubuntu", OF).await.unwrap();
        assert_eq!(after.undo().owed().len(), 2, "both were removed, and are made again");
        assert_requests_valid(&bench.vcsim);
    }
}

#[tokio::test]
async fn who_is_slower_takes_what_the_faster_made() {
    for api in [false, true] {
        let bench = Bench::start(api, &[]).await;
        let (vcenter, fast, slow) = (&bench.vcenter, cx(), cx());
        // The slower one sees neither the category nor, later, the tag.
        vcenter.tag(&fast, &mark(&fast), "os", "os:ubuntu", OF).await.unwrap();
        let none = if api { "[]" } else { "{\"value\":[]}" };
        bench.trouble("GET", "cis/tagging/category", json!({ "status": 200, "body": none }));
        let tag = vcenter.tag(&slow, &mark(&slow), "os", "os:ubuntu", OF).await.unwrap();
        assert!(tag.description.contains(fast.id().as_str()), "{tag:?}");
        assert!(slow.undo().owed().is_empty());
    }
}

#[tokio::test]
async fn sessions_that_expire_and_servers_that_are_busy_are_outlived() {
    for api in [false, true] {
        let bench = Bench::start(api, &["-vm", "1"]).await;
        let (vcenter, cx) = (&bench.vcenter, cx());
        bench.trouble("POST", if api { "session" } else { "cis/session" }, json!({ "status": 503 }));
        let tag = vcenter.tag(&cx, &mark(&cx), "os", "os:ubuntu", OF).await.unwrap();
        bench.vcsim.expire();
        let machine = bench.machine().await;
        bench.trouble("POST", "cis/tagging/tag-association", json!({ "status": 503, "times": 2 }));
        assert!(vcenter.attach(&tag, &machine).await.unwrap());
        let denied = json!({ "error_type": "UNAUTHORIZED", "messages": [{ "id": "x", "default_message": "Not you.", "args": [] }] });
        let denied = if api {
            denied
        } else {
            json!({ "type": "com.vmware.vapi.std.errors.unauthorized", "value": denied })
        };
        bench.trouble("POST", "cis/tagging/tag", json!({ "status": 403, "body": denied.to_string() }));
        let error = vcenter.tag(&cx, &mark(&cx), "os", "os:rhel", OF).await.unwrap_err();
        assert_eq!(error.kind(), VsphereErrorKind::Permission);
        assert!(told(&error).contains("answered UNAUTHORIZED: Not you."), "{}", told(&error));
        assert!(error.hint_text().is_some_and(|hint| hint.contains("doctor")), "{error:?}");
        assert_requests_valid(&bench.vcsim);
    }
}
