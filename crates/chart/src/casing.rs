//! Case styles of names: snake_case, kebab-case and PascalCase, with the word boundaries that Sprig's users
//! know.

#[derive(Clone, Copy, PartialEq)]
enum Sort {
    Upper,
    Lower,
    Digit,
    Connector,
    Other,
}

fn sort_of(character: char) -> Sort {
    if matches!(character, '-' | '_') || character.is_whitespace() {
        Sort::Connector
    } else if character.is_numeric() {
        Sort::Digit
    } else if character.is_uppercase() {
        Sort::Upper
    } else if character.is_alphabetic() {
        Sort::Lower
    } else {
        Sort::Other
    }
}

/// Words joined with a connector, in small letters: `HTTPServer` becomes `http_server`.
pub(crate) fn joined(text: &str, connector: char) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 4);
    for (index, character) in characters.iter().enumerate() {
        let sort = sort_of(*character);
        let before = index.checked_sub(1).map(|before| sort_of(characters[before]));
        let after = characters.get(index + 1).map(|next| sort_of(*next));
        let starts_word = match (before, sort) {
            (None | Some(Sort::Connector), _) => false,
            (Some(Sort::Upper), Sort::Upper) => after == Some(Sort::Lower),
            (Some(Sort::Upper | Sort::Lower), Sort::Digit) => digits_start_word(&characters, index),
            (Some(Sort::Lower | Sort::Digit | Sort::Other), Sort::Upper)
            | (Some(Sort::Other), Sort::Lower | Sort::Digit)
            | (Some(_), Sort::Other) => true,
            _ => false,
        };
        if sort == Sort::Connector {
            out.push(connector);
        } else {
            if starts_word && !out.ends_with(connector) {
                out.push(connector);
            }
            out.extend(character.to_lowercase());
        }
    }
    out
}

/// Digits belong to the word before them unless letters follow them: `Bld4Floor`, but `http_2xx`.
fn digits_start_word(characters: &[char], index: usize) -> bool {
    let after = characters[index..]
        .iter()
        .map(|c| sort_of(*c))
        .find(|sort| *sort != Sort::Digit);
    after == Some(Sort::Lower)
}

/// Words run together, each with a capital: `http_server` becomes `HttpServer`.
pub(crate) fn pascal(text: &str) -> String {
    let is_connector = |c: char| sort_of(c) == Sort::Connector;
    let lead: String = text.chars().take_while(|c| is_connector(*c)).collect();
    let mut out = String::with_capacity(text.len());
    let mut capital = true;
    let mut waiting: Vec<char> = Vec::new();
    for character in text[lead.len()..].chars() {
        if is_connector(character) {
            waiting.push(character);
            capital = true;
            continue;
        }
        // A connector before something that has no case stays.
        if !waiting.is_empty() && !character.is_alphabetic() {
            out.extend(waiting.iter().take(usize::from(!character.is_numeric())));
        }
        waiting.clear();
        if capital {
            out.extend(character.to_uppercase());
        } else {
            out.push(character);
        }
        capital = false;
    }
    format!("{lead}{out}{}", waiting.into_iter().collect::<String>())
}
