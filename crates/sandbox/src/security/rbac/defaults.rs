//! The roles and bindings that every cluster has from its first moment.
//!
//! Data, generated from what a real API server makes for itself: see `data/README.md`.

use serde_json::Value;

/// Kind, in the plural, and object.
pub(crate) type Shipped = (&'static str, Value);

/// All of them.
pub(crate) fn shipped() -> Result<Vec<Shipped>, serde_json::Error> {
    let all: Value = serde_json::from_str(include_str!("../../../data/roles.json"))?;
    let of = |plural: &'static str| {
        let objects = all[plural].as_array().cloned().unwrap_or_default();
        objects.into_iter().map(move |object| (plural, object))
    };
    Ok(of("clusterroles").chain(of("clusterrolebindings")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roles_people_are_given_are_there() {
        let shipped = shipped().unwrap();
        let has = |plural: &str, name: &str| {
            shipped
                .iter()
                .any(|(kind, object)| *kind == plural && object["metadata"]["name"] == name)
        };
        for role in [
            "cluster-admin",
            "admin",
            "edit",
            "view",
            "system:discovery",
            "system:basic-user",
        ] {
            assert!(has("clusterroles", role), "{role}");
        }
        for binding in [
            "cluster-admin",
            "system:discovery",
            "system:basic-user",
            "system:public-info-viewer",
        ] {
            assert!(has("clusterrolebindings", binding), "{binding}");
        }
    }
}
