//! Quotas as they are typed: `requests.cpu=20,pods=80` for every environment, `production:pods=200` for one.

use api::{Quantity, Quota, TeamEnvironment};

use crate::error::{OperationError, nearest};

const EXAMPLE: &str = "such as requests.cpu=20,pods=80, or production:requests.cpu=40 for one environment";
const KEYS: [&str; 5] = [
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
    "pods",
];

/// Gives each environment its quota. What is said of one environment wins over what is said of all.
pub(super) fn give(environments: &mut [TeamEnvironment], given: &[String]) -> Result<(), OperationError> {
    let mut special = Vec::new();
    for text in given {
        let (place, amounts) = match text.split_once(':') {
            Some((place, amounts)) => (Some(place), amounts),
            None => (None, text.as_str()),
        };
        for pair in amounts.split(',') {
            match place {
                None => {
                    for environment in &mut *environments {
                        set(&mut environment.quota, pair)?;
                    }
                }
                Some(place) => special.push((place, pair)),
            }
        }
    }
    for (place, pair) in special {
        let environment = environments.iter_mut().find(|e| e.name == place);
        let Some(environment) = environment else {
            let names: Vec<&str> = environments.iter().map(|e| e.name.as_str()).collect();
            return Err(OperationError::invalid_hint(
                format!(
                    "a quota is given for \"{}\", which the team does not use",
                    place.escape_default()
                ),
                format!("it uses {}", names.join(", ")),
            ));
        };
        set(&mut environment.quota, pair)?;
    }
    Ok(())
}

fn set(quota: &mut Quota, pair: &str) -> Result<(), OperationError> {
    let wrong = |what: String, hint: String| Err(OperationError::invalid_hint(what, hint));
    let Some((key, amount)) = pair.split_once('=') else {
        let what = format!("\"{}\" is not a quota", pair.escape_default());
        return wrong(what, EXAMPLE.to_owned());
    };
    let quantity = || {
        let quantity = Quantity(amount.to_owned());
        match quantity.milli() {
            Some(_) => Ok(quantity),
            None => Err(OperationError::invalid_hint(
                format!("\"{}\" is not an amount for {key}", amount.escape_default()),
                "such as 500m, 20 or 64Gi",
            )),
        }
    };
    match key {
        "requests.cpu" => quota.requests_cpu = Some(quantity()?),
        "requests.memory" => quota.requests_memory = Some(quantity()?),
        "limits.cpu" => quota.limits_cpu = Some(quantity()?),
        "limits.memory" => quota.limits_memory = Some(quantity()?),
        "pods" => {
            let Ok(pods) = amount.parse() else {
                let what = format!("\"{}\" is not a number of pods", amount.escape_default());
                return wrong(what, EXAMPLE.to_owned());
            };
            quota.pods = Some(pods);
        }
        other => {
            let what = format!("there is no quota for \"{}\"", other.escape_default());
            let hint = match nearest(other, KEYS) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("there is {}", KEYS.join(", ")),
            };
            return wrong(what, hint);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn given(quotas: &[&str]) -> Result<Value, OperationError> {
        let mut environments = ["dev", "production"].map(|name| TeamEnvironment {
            name: name.to_owned(),
            ..TeamEnvironment::default()
        });
        let quotas: Vec<String> = quotas.iter().map(|q| (*q).to_owned()).collect();
        give(&mut environments, &quotas)?;
        Ok(json!([environments[0].quota, environments[1].quota]))
    }

    #[test]
    fn one_environment_wins_over_all() {
        let check = |quotas: &[&str], expect: Value| assert_eq!(given(quotas).unwrap(), expect, "{quotas:?}");
        check(&[], json!([{}, {}]));
        check(&["pods=80"], json!([{"pods": 80}, {"pods": 80}]));
        check(
            &["production:requests.cpu=40", "requests.cpu=20,limits.memory=64Gi"],
            json!([
                {"requestsCpu": "20", "limitsMemory": "64Gi"},
                {"requestsCpu": "40", "limitsMemory": "64Gi"}
            ]),
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |quota: &str, words: &str| {
            let error = given(&[quota]).unwrap_err();
            let said = format!("{error} {}", error.hint().unwrap());
            assert!(said.contains(words), "{quota}: {said}");
        };
        check("", "is not a quota");
        check("pods", "is not a quota");
        check("pods=80,", "is not a quota");
        check("pods=many", "is not a number of pods");
        check("pods=-1", "is not a number of pods");
        check("requests.cpu=-1", "is not an amount");
        check("requests.cpu=", "is not an amount");
        check("request.cpu=1", "did you mean \"requests.cpu\"?");
        check("gpu=1", "there is requests.cpu");
        check("staging:pods=1", "it uses dev, production");
        check(":pods=1", "it uses dev, production");
        check("a:b:c", "it uses");
    }
}
