//! `imageExtractors` of a rule: where images stand in objects that are no pods.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cursor::{Cursor, Refusal};
use crate::image::{Image, Used, not_one};
use crate::jmespath::{Expression, World};

/// How deep a path may go.
const MAX_PATH: usize = 50;

/// How many places of one object are looked at.
const MAX_PLACES: usize = 10_000;

/// Extractors by the kind that they are for.
pub(crate) type Extractors = BTreeMap<String, Vec<Extractor>>;

/// Where images of a kind of object stand.
#[derive(Debug, Clone)]
pub(crate) struct Extractor {
    /// The way to what holds the image; `*` is every item of a list or map.
    path: Vec<String>,
    /// The field that holds the image.
    value: String,
    /// What the images are called together.
    name: String,
    /// The field that tells one from another; their place, if there is none.
    key: Option<String>,
    /// What the image is made of its text by.
    query: Option<Expression>,
}

/// Reads `imageExtractors`.
pub(crate) fn read(cursor: Option<Cursor<'_>>) -> Result<Extractors, Refusal> {
    let Some(cursor) = cursor else {
        return Ok(Extractors::new());
    };
    let read = |kind: &String| {
        let list = cursor.required(kind)?;
        let extractors = list
            .items()?
            .iter()
            .map(Extractor::read)
            .collect::<Result<Vec<_>, _>>()?;
        if extractors.is_empty() {
            return Err(list.refuse("at least one extractor is needed here"));
        }
        Ok((kind.clone(), extractors))
    };
    cursor.object()?.keys().map(read).collect()
}

impl Extractor {
    fn read(cursor: &Cursor<'_>) -> Result<Extractor, Refusal> {
        cursor.only(&["path", "value", "name", "key", "jmesPath"])?;
        let written = cursor.required("path")?;
        let steps = written.string()?.split('/').map(str::trim);
        let mut path: Vec<String> = steps.filter(|step| !step.is_empty()).map(str::to_owned).collect();
        if path.len() > MAX_PATH {
            return Err(written.refuse("the path is too long"));
        }
        let filled = |name: &str| Ok(cursor.text(name)?.filter(|text| !text.is_empty()));
        let value = match filled("value")? {
            Some(value) => value.to_owned(),
            None => path.pop().ok_or_else(|| written.refuse("the path is empty"))?,
        };
        Ok(Extractor {
            path,
            value,
            name: filled("name")?.unwrap_or("custom").to_owned(),
            key: filled("key")?.map(str::to_owned),
            query: filled("jmesPath")?
                .map(|text| {
                    Expression::parse(text).map_err(|reason| {
                        cursor.refuse_below("/jmesPath", format!("cannot read it: {reason}"))
                    })
                })
                .transpose()?,
        })
    }

    /// Whether the image is another text than what stands in the object.
    pub(crate) fn computes(&self) -> bool {
        self.query.is_some()
    }
}

/// The images that extractors find in an object. An error says what cannot be read, and why.
pub(crate) fn images(
    extractors: &[Extractor],
    object: &Value,
    world: World<'_>,
) -> Result<Vec<Used>, String> {
    let mut search = Search {
        world,
        left: MAX_PLACES,
        found: Vec::new(),
    };
    for extractor in extractors {
        search.look(extractor, object, &extractor.path, "")?;
    }
    Ok(search.found)
}

struct Search<'a> {
    world: World<'a>,
    left: usize,
    found: Vec<Used>,
}

impl Search<'_> {
    fn look(
        &mut self,
        extractor: &Extractor,
        value: &Value,
        path: &[String],
        pointer: &str,
    ) -> Result<(), String> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| format!("more than {MAX_PLACES} places may hold images"))?;
        let Some((step, rest)) = path.split_first() else {
            return self.take(extractor, value, pointer);
        };
        match (step.as_str(), value) {
            (_, Value::Null) => Ok(()),
            ("*", Value::Array(items)) => items.iter().enumerate().try_for_each(|(index, item)| {
                self.look(extractor, item, rest, &format!("{pointer}/{index}"))
            }),
            ("*", Value::Object(fields)) => fields
                .iter()
                .try_for_each(|(key, item)| self.look(extractor, item, rest, &below(pointer, key))),
            (step, Value::Object(fields)) if step != "*" => match fields.get(step) {
                Some(item) => self.look(extractor, item, rest, &below(pointer, step)),
                None => Ok(()),
            },
            _ => Err(format!("no image can stand at {pointer}/{step}")),
        }
    }

    fn take(&mut self, extractor: &Extractor, value: &Value, pointer: &str) -> Result<(), String> {
        let fields = match value {
            Value::Null => return Ok(()),
            Value::Object(fields) => fields,
            _ => return Err(format!("no image can stand at {pointer}")),
        };
        let place = below(pointer, &extractor.value);
        let key = match &extractor.key {
            None => place.clone(),
            Some(key) => match fields.get(key).and_then(Value::as_str) {
                Some(key) => key.to_owned(),
                None => return Err(format!("the field {key} is missing at {pointer}")),
            },
        };
        let written = match fields.get(&extractor.value).and_then(Value::as_str) {
            Some(written) if !written.trim().is_empty() => written,
            _ => return Ok(()),
        };
        let image = match &extractor.query {
            None => Image::parse(written),
            Some(query) => match query.query(&Value::from(written), self.world) {
                Ok(Value::String(text)) => Image::parse(&text),
                Ok(other) => {
                    return Err(format!(
                        "the jmesPath makes {other} of {written:?}, which is no text"
                    ));
                }
                Err(error) => return Err(format!("the jmesPath has no value for {written:?}: {error}")),
            },
        };
        self.found.push(Used {
            pointer: place,
            key,
            group: extractor.name.clone(),
            image: image.ok_or_else(|| not_one(written))?,
        });
        Ok(())
    }
}

fn below(pointer: &str, step: &str) -> String {
    format!("{pointer}/{}", step.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cursor::Origin;
    use crate::facts::NoFacts;
    use ::cel::budget::Budget;

    fn extractors(value: &Value) -> Result<Extractors, Refusal> {
        read(Some(Cursor::root(Origin::named("p"), value)))
    }

    #[test]
    fn what_is_found() {
        let check = |extractor: Value, object: Value, expect: Result<&[&str], &str>| {
            let all = extractors(&json!({"Task": [extractor]})).unwrap();
            let budget = Budget::default();
            let world = World::new(&budget, &NoFacts);
            let found = images(&all["Task"], &object, world).map(|found| {
                found
                    .iter()
                    .map(|used| {
                        format!(
                            "{} {} {} {}",
                            used.group,
                            used.key,
                            used.pointer,
                            used.image.reference()
                        )
                    })
                    .collect::<Vec<_>>()
            });
            match (found, expect) {
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
                (found, expect) => assert_eq!(
                    found,
                    expect
                        .map_err(str::to_owned)
                        .map(|list| list.iter().map(|line| (*line).to_owned()).collect()),
                    "{object}"
                ),
            }
        };
        let steps = json!({"path": "/spec/steps/*/image"});
        let object = json!({"spec": {"steps": [{"image": "a/b"}, {"image": ""}, {"name": "x"}, null]}});
        let found = "custom /spec/steps/0/image /spec/steps/0/image docker.io/a/b:latest";
        check(steps.clone(), object, Ok(&[found]));
        check(steps.clone(), json!({"spec": {}}), Ok(&[]));
        check(steps.clone(), json!({"spec": {"steps": null}}), Ok(&[]));
        check(
            steps.clone(),
            json!({"spec": {"steps": "x"}}),
            Err("no image can stand at /spec/steps/*"),
        );
        check(
            steps.clone(),
            json!({"spec": {"steps": ["x"]}}),
            Err("no image can stand at /spec/steps/0"),
        );
        check(
            steps,
            json!({"spec": {"steps": [{"image": "A B"}]}}),
            Err("\"A B\" is not the reference"),
        );
        let keyed = json!({"path": "/spec/parts/*", "value": "ref", "name": "parts", "key": "id"});
        check(
            keyed.clone(),
            json!({"spec": {"parts": {"a/b": {"id": "one", "ref": "x:1"}}}}),
            Ok(&["parts one /spec/parts/a~1b/ref docker.io/x:1"]),
        );
        check(
            keyed,
            json!({"spec": {"parts": [{"ref": "x"}]}}),
            Err("the field id is missing"),
        );
        let trimmed = json!({"path": "image", "jmesPath": "trim_prefix(@, 'docker://')"});
        check(
            trimmed,
            json!({"image": "docker://ghcr.io/a"}),
            Ok(&["custom /image /image ghcr.io/a:latest"]),
        );
        let counted = json!({"path": "image", "jmesPath": "length(@)"});
        check(counted, json!({"image": "abc"}), Err("which is no text"));
    }

    #[test]
    fn what_is_refused() {
        let check = |value: Value, part: &str| {
            let refusal = extractors(&value).map(|_| ()).unwrap_err().to_string();
            assert!(refusal.contains(part), "{refusal}");
        };
        check(json!({"Task": []}), "at least one extractor");
        check(json!({"Task": [{"path": "/"}]}), "the path is empty");
        check(json!({"Task": [{"value": "a"}]}), "the field path is missing");
        check(
            json!({"Task": [{"path": "/a", "other": 1}]}),
            "the field other is not known",
        );
        check(
            json!({"Task": [{"path": "/a", "jmesPath": "("}]}),
            "cannot read it",
        );
    }
}
