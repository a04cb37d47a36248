//! Which expectations are looked at: `policy=*,rule=*,resource=*`.

use super::suite::Expectation;

/// A test case selector.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Selector {
    policies: Vec<String>,
    rules: Vec<String>,
    resources: Vec<String>,
}

impl Selector {
    /// Reads a selector.
    pub(crate) fn parse(text: &str) -> Result<Selector, String> {
        let mut selector = Selector::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (key, value) = part
                .split_once('=')
                .filter(|(_, value)| !value.contains('='))
                .ok_or_else(|| format!("{part} is not of the form key=value"))?;
            let list = match key.trim() {
                "policy" => &mut selector.policies,
                "rule" => &mut selector.rules,
                "resource" => &mut selector.resources,
                other => {
                    return Err(format!(
                        "{other} cannot be selected by: policy, rule and resource can"
                    ));
                }
            };
            list.push(value.trim().to_owned());
        }
        Ok(selector)
    }

    /// The expectation as far as it is selected.
    pub(crate) fn choose(&self, expectation: &Expectation) -> Option<Expectation> {
        let all = |patterns: &[String], text: &str| {
            text.is_empty() || patterns.iter().all(|pattern| fits(pattern, text))
        };
        let named = &expectation.resources;
        let any = self
            .resources
            .iter()
            .all(|pattern| named.is_empty() || named.iter().any(|name| fits(pattern, name)));
        if !(all(&self.policies, &expectation.policy) && all(&self.rules, &expectation.rule) && any) {
            return None;
        }
        let mut chosen = expectation.clone();
        let only: Vec<&String> = self.resources.iter().filter(|pattern| *pattern != "*").collect();
        if !only.is_empty() {
            chosen
                .resources
                .retain(|name| only.iter().all(|pattern| fits(pattern, name)));
        }
        Some(chosen)
    }
}

/// `*` stands for any text, `?` for one letter.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(letter) if *letter == '?' || text.get(t) == Some(letter) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, seen)) => {
                    star = Some((at, seen + 1));
                    p = at + 1;
                    t = seen + 1;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_choose_expectations() {
        let mut expectation = Expectation::default();
        "require-limits".clone_into(&mut expectation.policy);
        "check".clone_into(&mut expectation.rule);
        expectation.resources = vec!["good".to_owned(), "shop/bad".to_owned()];
        let check = |selector: &str, expect: Option<&[&str]>| {
            let chosen = Selector::parse(selector).map(|selector| selector.choose(&expectation));
            let chosen = chosen.map(|chosen| chosen.map(|chosen| chosen.resources));
            let expect = expect.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(chosen, Ok(expect), "{selector}");
        };
        let both: &[&str] = &["good", "shop/bad"];
        check("policy=*,rule=*,resource=*", Some(both));
        check("", Some(both));
        check("policy=require-*", Some(both));
        check("policy=disallow-*", None);
        check("rule=chec?", Some(both));
        check("rule=other", None);
        check("resource=good", Some(&["good"]));
        check("resource=shop/*", Some(&["shop/bad"]));
        check("resource=none", None);
        assert!(Selector::parse("policy").is_err());
        assert!(Selector::parse("kind=Pod").is_err());
    }
}
