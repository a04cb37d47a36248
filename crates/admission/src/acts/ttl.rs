//! Objects that say themselves when their time is over: the label `cleanup.kyverno.io/ttl`, with how long they live from
//! when they were made (`2h30m`, `1d`) or until when (`2026-12-31`, `2026-12-31T120000Z`).

use jiff::{SignedDuration, Timestamp, civil};
use k8s_openapi::api::authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec};
use kube::Api;
use kube::api::PostParams;
use serde_json::Value;

use super::Actor;
use super::order::Reference;
use crate::error::AdmissionError;
use crate::served::{Served, discover};

/// The label.
const LABEL: &str = "cleanup.kyverno.io/ttl";
/// The annotation that says what becomes of what the object owns.
const PROPAGATION: &str = "cleanup.kyverno.io/propagation-policy";

/// What a look at the labels came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expired {
    /// Objects that were deleted.
    pub(crate) deleted: usize,
    /// When the next one's time is over.
    pub(crate) next: Option<Timestamp>,
}

impl Actor {
    /// Deletes every object whose time is over, of the kinds that the account may delete.
    pub(crate) async fn expire(&self) -> Result<Expired, AdmissionError> {
        let rights = self.rights().await?;
        let mut expired = Expired::default();
        if rights.is_empty() {
            return Ok(expired);
        }
        for resource in discover(&self.client).await? {
            let deletable =
                resource.listable && resource.subresource.is_empty() && may_delete(&rights, &resource);
            if !deletable {
                continue;
            }
            let mut place = None;
            loop {
                let page = match self.page(&resource, "", place.take(), Some(LABEL)).await {
                    Ok(page) => page,
                    Err(why) => {
                        tracing::debug!(why, resource = resource.plural, "labels are not looked at");
                        break;
                    }
                };
                for object in page.objects {
                    self.expire_one(&object, &mut expired).await;
                }
                place = page.next;
                if place.is_none() {
                    break;
                }
            }
        }
        Ok(expired)
    }

    async fn expire_one(&self, object: &Value, expired: &mut Expired) {
        if self.hands.is_the_platforms(object) {
            return;
        }
        let metadata = &object["metadata"];
        let made = metadata["creationTimestamp"]
            .as_str()
            .and_then(|text| text.parse().ok());
        let said = metadata["labels"][LABEL].as_str().unwrap_or_default();
        let Some(over) = made.and_then(|made| over(made, said)) else {
            tracing::debug!(object = %Reference::to(object), said, "a time that cannot be read");
            return;
        };
        if over > self.now() {
            expired.next = [expired.next, Some(over)].into_iter().flatten().min();
            return;
        }
        let propagation = metadata["annotations"][PROPAGATION].as_str();
        match self.hands.delete(&Reference::to(object), propagation).await {
            Ok(gone) => expired.deleted += usize::from(gone),
            Err(why) => tracing::debug!(why, "not deleted"),
        }
    }

    /// What the account may do, as rules of roles.
    async fn rights(&self) -> Result<Vec<Value>, AdmissionError> {
        let asked = SelfSubjectRulesReview {
            spec: SelfSubjectRulesReviewSpec {
                namespace: Some("default".to_owned()),
            },
            ..SelfSubjectRulesReview::default()
        };
        let api: Api<SelfSubjectRulesReview> = Api::all(self.hands.client.clone());
        let answer = api
            .create(&PostParams::default(), &asked)
            .await
            .map_err(AdmissionError::cluster(
                "ask for the rights of the account of the guardrails",
            ))?;
        let rules = answer
            .status
            .map(|status| status.resource_rules)
            .unwrap_or_default();
        Ok(rules
            .iter()
            .filter_map(|rule| serde_json::to_value(rule).ok())
            .collect())
    }
}

/// Whether rules of roles let objects of a kind be listed and deleted.
fn may_delete(rules: &[Value], resource: &Served) -> bool {
    let says = |rule: &Value, key: &str, wanted: &str| {
        let words = rule[key].as_array().into_iter().flatten();
        words
            .filter_map(Value::as_str)
            .any(|word| word == "*" || word == wanted)
    };
    ["list", "delete"].iter().all(|verb| {
        rules.iter().any(|rule| {
            says(rule, "apiGroups", &resource.group)
                && says(rule, "resources", &resource.plural)
                && says(rule, "verbs", verb)
                && rule["resourceNames"].as_array().is_none_or(Vec::is_empty)
        })
    })
}

/// When the time of an object is over that was made at `made`.
fn over(made: Timestamp, said: &str) -> Option<Timestamp> {
    if let Some(duration) = duration(said) {
        return made.checked_add(duration).ok();
    }
    let moment = civil::DateTime::strptime("%Y-%m-%dT%H%M%SZ", said)
        .or_else(|_| civil::Date::strptime("%Y-%m-%d", said).map(|date| date.at(0, 0, 0, 0)));
    let zoned = moment.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp())
}

/// `1d12h`, `90m`, `2weeks`: numbers with units, one after the other.
fn duration(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut sum = SignedDuration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .filter(|&end| end > 0)?;
        let (number, after) = rest.split_at(digits);
        let end = after
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let seconds: i64 = match unit.to_ascii_lowercase().as_str() {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hr" | "hrs" | "hour" | "hours" => 60 * 60,
            "d" | "day" | "days" => 24 * 60 * 60,
            "w" | "wk" | "wks" | "week" | "weeks" => 7 * 24 * 60 * 60,
            _ => return None,
        };
        let part = number.parse::<i64>().ok()?.checked_mul(seconds)?;
        sum = sum.checked_add(SignedDuration::from_secs(part))?;
        rest = after;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_over() {
        let made: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (said, expect) in [
            ("90s", Some("2026-01-01T00:01:30Z")),
            ("1d12h", Some("2026-01-02T12:00:00Z")),
            ("2weeks", Some("2026-01-15T00:00:00Z")),
            ("2026-12-31", Some("2026-12-31T00:00:00Z")),
            ("2026-12-31T120000Z", Some("2026-12-31T12:00:00Z")),
            ("0s", Some("2026-01-01T00:00:00Z")),
            ("", None),
            ("5", None),
            ("h", None),
            ("5x", None),
            ("soon", None),
            ("99999999999999999999d", None),
            ("9223372036854775807s", None),
            ("2026-13-01", None),
        ] {
            let expect: Option<Timestamp> = expect.map(|text| text.parse().unwrap());
            assert_eq!(over(made, said), expect, "{said}");
        }
    }

    #[test]
    fn only_kinds_that_may_be_deleted() {
        let resource = |group: &str, plural: &str| Served {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: String::new(),
            plural: plural.to_owned(),
            subresource: String::new(),
            namespaced: true,
            listable: true,
        };
        let rules = [
            json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}),
            json!({"apiGroups": [""], "resources": ["configmaps", "pods"], "verbs": ["delete"]}),
            json!({"apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"], "verbs": ["list"]}),
            json!({"apiGroups": ["batch"], "resources": ["*"], "verbs": ["*"]}),
        ];
        for (group, plural, expect) in [
            ("", "configmaps", true),
            ("", "pods", false),
            ("", "secrets", false),
            ("batch", "jobs", true),
            ("apps", "deployments", false),
        ] {
            assert_eq!(
                may_delete(&rules, &resource(group, plural)),
                expect,
                "{group} {plural}"
            );
        }
    }
}
