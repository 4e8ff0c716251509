//! What plans need in an Amazon account.
use crate::{
    aws::policy::{Narrow, Purpose},
    plan::Plan,
};
use serde_json::Value;

/// What must be allowed for these plans, or for all commands when there are none, and the names that make it narrower.
pub fn needs(plans: &[Plan]) -> Result<(Vec<Purpose>, Narrow), serde_json::Error> {
    if plans.is_empty() {
        return Ok((Purpose::ALL.to_vec(), Narrow::default()));
    }
    let mut needs = Needs { purposes: vec![Purpose::Check], narrow: Narrow::default(), any_key: false };
    for plan in plans {
        needs.add(&serde_json::to_value(plan)?);
    }
    let Needs { mut purposes, mut narrow, any_key } = needs;
    purposes.sort();
    purposes.dedup();
    narrow.keys.sort();
    narrow.keys.dedup();
    if any_key {
        // The account's own key is found by EBS; which one it is, nobody says.
        narrow.keys.clear();
    }
    Ok((purposes, narrow))
}

struct Needs {
    purposes: Vec<Purpose>,
    narrow: Narrow,
    /// A volume is encrypted with a key that is not named.
    any_key: bool,
}

impl Needs {
    /// Adds those of a plan, as `goldsmith plan --json` shows it.
    fn add(&mut self, plan: &Value) {
        let ec2 = &plan["machine"]["ec2"];
        let amis = plan["amis"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !amis.is_empty() {
            self.purposes.extend([Purpose::Look, Purpose::Register, Purpose::Remove]);
            if ec2.is_null() {
                self.purposes.push(Purpose::Upload);
            }
            if amis.iter().any(|ami| ami["parent"].is_string()) {
                self.purposes.push(Purpose::Parent);
            }
        }
        if !ec2.is_null() {
            self.purposes.extend([Purpose::Look, Purpose::Ec2, Purpose::Remove]);
        }
        if plan["source"]["ami"]["ssm"].is_string() {
            self.purposes.push(Purpose::Lookup);
        }
        if ec2["profile"].is_string() {
            self.purposes.push(Purpose::Profile);
        }
        if ec2["ssh"] == "session-manager" {
            self.purposes.push(Purpose::Session);
        }
        let volumes = amis.iter().map(|ami| &ami["volume"]);
        for volume in volumes.chain([&ec2["root"], &ec2["surrogate"]["volume"]]) {
            match volume["kms-key"].as_str() {
                Some(key) if key.starts_with("arn:") => self.narrow.keys.push(key.to_owned()),
                Some(_) => self.any_key = true,
                None if volume["encrypted"] == true => self.any_key = true,
                None => continue,
            }
            self.purposes.push(Purpose::Encrypt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use test_case::test_case;

    fn of(plan: &Value) -> (Vec<Purpose>, bool, Vec<String>) {
        let mut needs = Needs { purposes: Vec::new(), narrow: Narrow::default(), any_key: false };
        needs.add(plan);
        needs.purposes.sort();
        (needs.purposes, needs.any_key, needs.narrow.keys)
    }

    #[test_case(json!({ "machine": {} }) => Vec::<Purpose>::new() ; "a file")]
    #[test_case(json!({ "amis": [{ "volume": {} }] }) => vec![Purpose::Look, Purpose::Upload, Purpose::Register, Purpose::Remove] ; "an AMI from a local disk")]
    #[test_case(json!({ "amis": [{ "volume": {}, "parent": "snap-1" }] }) => vec![Purpose::Look, Purpose::Upload, Purpose::Parent, Purpose::Register, Purpose::Remove] ; "a difference")]
    #[test_case(json!({ "machine": { "ec2": { "ssh": "public" } }, "source": { "ami": { "id": "ami-1" } } }) => vec![Purpose::Look, Purpose::Remove, Purpose::Ec2] ; "an instance")]
    #[test_case(json!({ "machine": { "ec2": { "ssh": "session-manager", "profile": "p" } }, "source": { "ami": { "ssm": "/a" } } })
        => vec![Purpose::Look, Purpose::Remove, Purpose::Ec2, Purpose::Profile, Purpose::Session, Purpose::Lookup] ; "an instance by the session manager")]
    fn plans_need_what_they_do(plan: Value) -> Vec<Purpose> {
        of(&plan).0
    }

    #[test]
    fn keys_that_are_named_are_the_only_ones() {
        let ami = |volume: Value| json!({ "amis": [{ "volume": volume }] });
        let key = "arn:aws:kms:eu-west-1:1:key/a";
        let named = of(&ami(json!({ "encrypted": true, "kms-key": key })));
        assert!(named.0.contains(&Purpose::Encrypt));
        assert_eq!((named.1, named.2), (false, vec![key.to_owned()]));
        assert!(of(&ami(json!({ "encrypted": true }))).1);
        assert!(!of(&ami(json!({ "encrypted": false }))).0.contains(&Purpose::Encrypt));
    }

    #[test]
    fn without_plans_it_is_everything() {
        assert_eq!(needs(&[]).unwrap().0, Purpose::ALL);
    }
}
